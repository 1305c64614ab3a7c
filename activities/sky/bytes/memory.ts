import type { ByteSource } from './source.ts';

/** A file that is in memory whole. `etag` is needed where several of one name share a cache. */
export function memorySource(bytes: Uint8Array, name = 'memory', etag = name): ByteSource {
  return {
    name,
    size: bytes.length,
    etag,
    read: async (offset, length) => bytes.slice(offset, offset + length),
  };
}
