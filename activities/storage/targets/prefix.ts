/** A prefix of another bucket as a target: the store copies whole objects by itself, and each object tells the SHA-256 it was delivered with. */
import { createHash } from 'node:crypto';
import { ProblemError } from '@darkroom/contract';
import { StorageError } from '../connection/errors.ts';
import { requireDigest } from '../read/read.ts';
import type { Storage } from '../storage.ts';
import type { DeliveredFile, Place, PlaceOptions } from './place.ts';

type Store = Pick<Storage, 'head' | 'copy' | 'list' | 'get' | 'uploadStream'>;

export class PrefixPlace implements Place {
  /** Copies that the store is asked for. */
  readonly atOnce = 12;
  readonly #storage: Store;
  readonly #prefix: string;
  readonly #options: PlaceOptions;

  private constructor(storage: Store, prefix: string, options: PlaceOptions) {
    this.#storage = storage;
    this.#prefix = prefix;
    this.#options = options;
  }

  /** Looks whether the bucket is there. Throws ProblemError `target_unusable`, StorageError where the store is away. */
  static async open(storage: Store, prefix: string, options: PlaceOptions): Promise<PrefixPlace> {
    await requirePrefix(storage, prefix, options.signal);
    return new PrefixPlace(storage, prefix, options);
  }

  uriOf(path: string): string {
    return this.#prefix + path;
  }

  async has({ path, bytes, sha256 }: DeliveredFile, signal: AbortSignal): Promise<boolean> {
    try {
      const { size, metadata } = await this.#storage.head(this.uriOf(path), { signal });
      return size === bytes && metadata?.sha256 === sha256;
    } catch (error) {
      if (error instanceof StorageError && error.code === 'source_not_found') return false;
      throw ofPrefix(error);
    }
  }

  async put(file: DeliveredFile, signal: AbortSignal): Promise<void> {
    const { path, uri, sha256, contentType } = file;
    const given = { contentType, metadata: { sha256 } };
    try {
      const { assertHeld: beforePublish, moved: onPart } = this.#options;
      if (file.range !== undefined) return await this.#putRange(file, { ...given, signal });
      await this.#storage.copy(uri, this.uriOf(path), { ...given, beforePublish, onPart, signal });
    } catch (error) {
      throw ofPrefix(error);
    }
  }

  /** What lies within another object passes through here: the store copies parts of objects by uploads in parts, which take more requests. */
  async #putRange(
    { path, uri, range, bytes, sha256 }: DeliveredFile,
    given: Pick<Parameters<Store['uploadStream']>[2], 'contentType' | 'metadata' | 'signal'>,
  ): Promise<void> {
    const { assertHeld, moved } = this.#options;
    const hash = createHash('sha256');
    const { stream } = await this.#storage.get(uri, { range, signal: given.signal });
    async function* hashed(): AsyncGenerator<Uint8Array> {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        yield chunk;
      }
    }
    try {
      await this.#storage.uploadStream(this.uriOf(path), hashed(), {
        ...given,
        maxBytes: bytes,
        onProgress: moved,
        beforePublish: async () => {
          requireDigest(uri, sha256, hash.digest('hex'));
          await assertHeld();
        },
      });
    } finally {
      stream.destroy();
    }
  }

  /** What the store has answered for is there. */
  async settle(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Throws ProblemError `target_unusable` where there is no such bucket, or the platform may not look into it. */
export async function requirePrefix(
  storage: Pick<Storage, 'list'>,
  prefix: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    for await (const _ of storage.list(prefix, { max: 1, signal })) break;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'source_not_found')
      throw new ProblemError('target_unusable', `There is no bucket for ${prefix}.`, { cause: error });
    throw ofPrefix(error);
  }
}

/** What is a bucket's keeper's to put right: it denies access, takes no such key, or has an object where a folder is to be. */
const refusals: ReadonlySet<string> = new Set(['access_denied', 'invalid_uri', 'storage_refused']);

const ofPrefix = (error: unknown): unknown =>
  error instanceof StorageError && refusals.has(error.code)
    ? new ProblemError('target_unusable', error.message, { cause: error })
    : error;
