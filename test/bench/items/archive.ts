/** A job's archive: whole, and cut in its midst and resumed. */
import { createHash, type Hash } from 'node:crypto';
import { ask, type Client } from '../photo/client.ts';

export interface ArchiveRun {
  readonly bytes: number;
  readonly seconds: number;
  readonly firstByteMs: number;
  /** Whether the two halves together are the whole, by SHA-256. */
  readonly resumed: boolean;
}

/** Reads an answer into `hash`, at most `limit` bytes, and lets go of the rest; how many were read. */
async function readInto(hash: Hash, answer: Response, limit = Number.POSITIVE_INFINITY): Promise<number> {
  let read = 0;
  for await (const chunk of answer.body ?? []) {
    const part = chunk.subarray(0, limit - read);
    hash.update(part);
    read += part.length;
    if (read >= limit) break;
  }
  return read;
}

/** Takes the archive three times: whole, its first half, and the rest of it by `Range`. */
export async function takeArchive(client: Client, id: string): Promise<ArchiveRun> {
  const path = `/v1/jobs/${id}/results/archive`;
  const [whole, parts] = [createHash('sha256'), createHash('sha256')];
  const began = performance.now();
  const answer = await ask(client, path);
  const firstByteMs = performance.now() - began;
  const bytes = await readInto(whole, answer);
  const seconds = (performance.now() - began) / 1000;
  if (bytes !== Number(answer.headers.get('content-length')))
    throw new Error(`The archive has ${bytes} bytes.`);
  const cut = await readInto(parts, await ask(client, path), Math.floor(bytes / 2));
  const headers = { range: `bytes=${cut}-`, 'if-range': answer.headers.get('etag') ?? '' };
  const rest = await ask(client, path, { headers });
  if (rest.status !== 206) throw new Error(`The rest of the archive was answered ${rest.status}.`);
  await readInto(parts, rest);
  return { bytes, seconds, firstByteMs, resumed: whole.digest('hex') === parts.digest('hex') };
}
