/** From a call to its file: the tiles' bytes by ranges of the store, what was read of them kept for the next. */
import { tmpdir } from 'node:os';
import type { CutoutFacts, CutoutTimings } from '@darkroom/contract';
import type { Config } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { type ObjectStore, objectSource } from '../bytes/object.ts';
import type { ByteSource } from '../bytes/source.ts';
import { SkyError } from '../errors.ts';
import type { TileThreads } from '../fits/compression/share.ts';
import { FitsCache } from '../fits/read/cache.ts';
import { openImage } from '../fits/read/open.ts';
import { type FileChecksums, verifiedSource } from '../survey/checked/checksums.ts';
import { checksumsOf } from '../survey/records/checksums.ts';
import type { MadeBytes } from './bytes.ts';
import type { CutoutCall, CutoutSource } from './call.ts';
import { composeFile } from './compose.ts';
import { CutoutMemory } from './memory.ts';

export interface MadeFile {
  /** To be disposed of. */
  readonly file: MadeBytes;
  readonly contentType: string;
  readonly facts: CutoutFacts;
  /** Milliseconds. */
  readonly timings: CutoutTimings;
}

/** Throws SkyError, StorageError, or the signal's reason. */
export type MakeFile = (call: CutoutCall, signal: AbortSignal) => Promise<MadeFile>;

const contentTypes = { fits: 'application/fits', png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' };

/** Files whose checksums are kept: some ten kilobytes each. */
const checkedFiles = 256;

export function makeFileOver({
  storage,
  records: { db },
  config,
  threads,
}: {
  readonly storage: Pick<Storage, 'get'>;
  readonly records: Pick<Records, 'db'>;
  readonly config: Pick<Config, 'cutouts'>;
  /** Tiles of surveys are the operator's own: threads of this process are enough, it takes no sandbox. Without them, this one decodes. */
  readonly threads?: TileThreads | undefined;
}): MakeFile {
  const cache = new FitsCache(config.cutouts.cacheBytes);
  const room = { memory: new CutoutMemory(config.cutouts.memoryBytes), folder: tmpdir() };
  const sums = new Map<string, FileChecksums>();
  const store: ObjectStore = { get: (uri, options) => storage.get(uri, options) };

  /** Of what was verified, a source that gives nothing else. */
  const checked = async (survey: string, source: CutoutSource, bytes: ByteSource): Promise<ByteSource> => {
    const { uri, etag } = source;
    const key = `${etag} ${uri}`;
    const known = sums.get(key) ?? (await checksumsOf(db, { survey, uri, etag }));
    // It was verified when it was asked for, and the survey has been indexed anew since.
    if (known === undefined)
      throw new SkyError('source_changed', `${uri} is no longer the file that was verified.`);
    sums.delete(key);
    sums.set(key, known);
    const [oldest] = sums.keys();
    if (sums.size > checkedFiles && oldest !== undefined) sums.delete(oldest);
    return verifiedSource(bytes, known);
  };

  return async (call, signal) => {
    const open = async (source: CutoutSource) => {
      const { uri, bytes: size, etag, hdu, verified } = source;
      const bytes = objectSource(store, { uri, size, etag });
      const from = verified ? await checked(call.survey.name, source, bytes) : bytes;
      return openImage(from, hdu, { cache, threads, signal });
    };
    const { file, facts, timings } = await composeFile(call, open, signal, room);
    const verified = call.sources.every((source) => source.verified);
    return { file, contentType: contentTypes[call.request.format], facts: { ...facts, verified }, timings };
  };
}
