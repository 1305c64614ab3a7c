/** Objects that a job's work gives, of an item or of the job itself. */
import { crc32 } from 'node:zlib';
import type { ManifestFile } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform';
import type { Attempt } from './attempt/attempt.ts';

/** An object that an item is published with. */
export interface ItemObject {
  /** Key in the platform's bucket; a function of job and item, so that a repeated write is the same write. */
  readonly key: string;
  /** Path within the job's archive. */
  readonly path: string;
  /** Given back once it is stored. */
  readonly body: Buffer;
  readonly contentType: string;
}

const objectsPerFolder = 1000;

/**
 * The folder for the objects of an item of a job that may have many, with its slash. A store that keeps objects as files reads a folder
 * whole for each thousand that it lists of it: with a hundred thousand in one, a listing takes five times as long.
 */
export const folderOf = (ordinal: number): string =>
  `${String(Math.floor(ordinal / objectsPerFolder)).padStart(5, '0')}/`;

/** Writes an object, gives its memory back, and tells of it what a manifest does. */
export async function putObject(
  { deps, signal }: Attempt,
  { key, path, body, contentType }: ItemObject,
): Promise<Omit<ManifestFile, 'item'>> {
  const bytes = body.length;
  const checksum = crc32(body);
  const { uri, sha256 } = await deps.storage.putBytes(key, body, { contentType, signal });
  releaseMemory(body);
  return { path, uri, bytes, sha256, crc32: checksum, contentType };
}

const aWhileMs = 1000;

/** A file of the job itself that is made piece by piece, however large. */
export interface StreamedObject extends Omit<ItemObject, 'body'> {
  /** Gone through once. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Writes a file as its pieces come. Where that takes a while, the fence is asked again before it is to be seen. */
export async function putStream(
  { deps, signal, assertHeld }: Attempt,
  { key, path, pieces, contentType }: StreamedObject,
): Promise<Omit<ManifestFile, 'item'>> {
  const began = Date.now();
  let checksum = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of pieces) {
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  }
  const { uri, size, sha256 } = await deps.storage.uploadStream(key, counted(), {
    contentType,
    maxBytes: Number.MAX_SAFE_INTEGER,
    beforePublish: async () => {
      if (Date.now() - began > aWhileMs) await assertHeld();
    },
    signal,
  });
  return { path, uri, bytes: size, sha256, crc32: checksum, contentType };
}
