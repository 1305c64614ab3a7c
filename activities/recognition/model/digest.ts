/** What tells versions of a model apart: its file, and what its card says of it. */
import { createHash } from 'node:crypto';
import { setImmediate as yieldThread } from 'node:timers/promises';
import type { ModelCard } from './card/card.ts';

/**
 * Of the card that set-up writes beside the default detector, which has said the same since before cards counted: jobs that began then are
 * of the same version.
 */
const cardThatCountsAsNone = '0bd6c43355435ac28806827bb38e28b59ab47cd611d2b44f007dcae5a27ec272';

/** Bytes that are hashed before whatever else waits for the thread has its turn: a few milliseconds. */
const chunkBytes = 4 * 1024 * 1024;

/** SHA-256 of a file, hexadecimal; the process does other things between its parts. */
export async function sha256Of(file: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < file.length; at += chunkBytes) {
    if (at > 0) await yieldThread();
    hash.update(file.subarray(at, at + chunkBytes));
  }
  return hash.digest('hex');
}

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

/**
 * SHA-256, hexadecimal: that of the file, which is given, where no card says anything, else of both. Where a model is from, and its licence, change
 * nothing.
 */
export function digestOfBoth(ofFile: string, { source: _, license: __, ...said }: ModelCard): string {
  const text = JSON.stringify(said, sorted);
  if (text === '{}' || sha256(text) === cardThatCountsAsNone) return ofFile;
  return sha256(`${ofFile}\n${text}`);
}

/** Names in the order of the alphabet, as a card may have them in any. */
const sorted = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
