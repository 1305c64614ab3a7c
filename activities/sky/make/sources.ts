/** The files of surveys by ranges of the store: each as it was found, checked where it was verified, and what is known of it kept for the next. */
import type { Config } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { type ObjectStore, objectSource } from '../bytes/object.ts';
import type { ByteSource } from '../bytes/source.ts';
import { SkyError } from '../errors.ts';
import type { TileThreads } from '../fits/compression/share.ts';
import { FitsCache } from '../fits/read/cache.ts';
import type { FitsImage } from '../fits/read/file.ts';
import { openImage } from '../fits/read/open.ts';
import { type FileChecksums, verifiedSource } from '../survey/checked/checksums.ts';
import { checksumsOf } from '../survey/records/checksums.ts';
import type { CutoutCall, CutoutSource } from './call.ts';

export interface SourcesDeps {
  readonly storage: Pick<Storage, 'get'>;
  readonly records: Pick<Records, 'db'>;
  readonly config: Pick<Config, 'cutouts'>;
  /** Tiles of surveys are the operator's own: threads of this process are enough, it takes no sandbox. Without them, this one decodes. */
  readonly threads?: TileThreads | undefined;
}

/** Files whose checksums are kept: some ten kilobytes each. */
const checkedFiles = 256;

export class Sources {
  readonly #db: Records['db'];
  readonly #threads: TileThreads | undefined;
  readonly #store: ObjectStore;
  readonly #cache: FitsCache;
  readonly #sums = new Map<string, FileChecksums>();

  constructor({ storage, records, config, threads }: SourcesDeps) {
    this.#db = records.db;
    this.#threads = threads;
    this.#store = { get: (uri, options) => storage.get(uri, options) };
    this.#cache = new FitsCache(config.cutouts.cacheBytes);
  }

  /** Opens a file of the call's survey; `signal` is of the opening alone. Throws SkyError, StorageError, or the signal's reason. */
  async open({ survey }: CutoutCall, source: CutoutSource, signal: AbortSignal): Promise<FitsImage> {
    const { uri, bytes: size, etag, hdu, verified } = source;
    const bytes = objectSource(this.#store, { uri, size, etag });
    const from = verified ? await this.#checked(survey.name, source, bytes) : bytes;
    return openImage(from, hdu, { cache: this.#cache, threads: this.#threads, signal });
  }

  /** Of what was verified, a source that gives nothing else. */
  async #checked(survey: string, { uri, etag }: CutoutSource, bytes: ByteSource): Promise<ByteSource> {
    const key = `${etag} ${uri}`;
    const known = this.#sums.get(key) ?? (await checksumsOf(this.#db, { survey, uri, etag }));
    // It was verified when it was asked for, and the survey has been indexed anew since.
    if (known === undefined)
      throw new SkyError('source_changed', `${uri} is no longer the file that was verified.`);
    this.#sums.delete(key);
    this.#sums.set(key, known);
    const [oldest] = this.#sums.keys();
    if (this.#sums.size > checkedFiles && oldest !== undefined) this.#sums.delete(oldest);
    return verifiedSource(bytes, known);
  }
}
