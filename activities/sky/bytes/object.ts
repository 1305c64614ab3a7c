import { SkyError } from '../errors.ts';
import type { ByteSource } from './source.ts';

/** What is needed of a store of objects; `@darkroom/storage` has it. */
export interface ObjectStore {
  /** Fails with an error of `code` `source_changed` where the object no longer has that ETag. */
  get(
    uri: string,
    options: {
      range: { start: number; length: number };
      ifMatch: string;
      signal?: AbortSignal | undefined;
    },
  ): Promise<{ stream: AsyncIterable<Uint8Array> }>;
}

/** An object as it was found: every read is pinned to its ETag. */
export interface FoundObject {
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
}

function isChange(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'source_changed';
}

/** An object in a store, one request a read. */
export function objectSource(store: ObjectStore, { uri, size, etag }: FoundObject): ByteSource {
  return {
    name: uri,
    size,
    etag,
    async read(offset, length, signal) {
      const wanted = Math.min(length, size - offset);
      if (wanted <= 0) return new Uint8Array(0);
      try {
        const range = { start: offset, length: wanted };
        const { stream } = await store.get(uri, { range, ifMatch: etag, signal });
        return await gather(stream, wanted, uri);
      } catch (error) {
        if (error instanceof SkyError || !isChange(error)) throw error;
        throw new SkyError('source_changed', `${uri} is no longer the file that was opened.`, {
          cause: error,
        });
      }
    },
  };
}

async function gather(stream: AsyncIterable<Uint8Array>, length: number, uri: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  for await (const chunk of stream) {
    if (chunk.length > length - filled) break;
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled === length) return bytes;
  throw new SkyError('truncated_fits', `${uri} gave ${filled} of ${length} bytes.`);
}
