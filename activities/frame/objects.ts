/** Objects that a job's work gives, of an item or of the job itself. */
import type { ManifestFile } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform';
import type { Attempt } from './attempt.ts';

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

/** Writes an object, gives its memory back, and tells of it what a manifest does. */
export async function putObject(
  { deps, signal }: Attempt,
  { key, path, body, contentType }: ItemObject,
): Promise<Omit<ManifestFile, 'item'>> {
  const bytes = body.length;
  const { uri, sha256 } = await deps.storage.putBytes(key, body, { contentType, signal });
  releaseMemory(body);
  return { path, uri, bytes, sha256, contentType };
}
