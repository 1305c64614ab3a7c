/** Bytes of an object in the store, by ranges, as it was when it was pinned. */
import type { Storage } from '../storage.ts';

const BLOCK_BYTES = 2 << 20;
/** Blocks kept: those of a file whose sound and pictures lie apart, its index, and what is read ahead. */
const BLOCKS = 5;

/** An object as it was pinned. */
export interface PinnedObject {
  readonly uri: string;
  readonly etag: string;
  readonly bytes: number;
}

/** What is read by ranges. */
export interface RangeReader {
  readonly size: number;
  /** `length` bytes from `offset` on; fewer only at the end. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}

/**
 * Reads through a cache of few blocks; when blocks are wanted one after the other, the next is fetched ahead. What a read gives is valid
 * until the next one: the memory of blocks is used again, as that of a long video would otherwise wait for the collector. Throws what the
 * storage throws: StorageError `source_changed` when the object is no longer the pinned one.
 */
export function rangeSource(storage: Pick<Storage, 'get'>, source: PinnedObject): RangeReader {
  const size = source.bytes;
  /** By number of the block, least recently used first. */
  const blocks = new Map<number, Promise<Uint8Array>>();
  /** Blocks that left the cache in this read, and memory of those that did so earlier. */
  let retired: Promise<Uint8Array>[] = [];
  const spare: Uint8Array[] = [];

  const reuse = ({ buffer }: Uint8Array): void => {
    if (spare.length < BLOCKS) spare.push(new Uint8Array(buffer));
  };

  const block = (number: number, signal: AbortSignal): Promise<Uint8Array> => {
    const known = blocks.get(number);
    if (known !== undefined) {
      blocks.delete(number);
      blocks.set(number, known);
      return known;
    }
    const fetched = fetch(number, signal);
    blocks.set(number, fetched);
    // A failure is told to whoever waits, and not kept for the next.
    fetched.catch(() => blocks.get(number) === fetched && blocks.delete(number));
    for (const [oldest, old] of blocks) {
      if (blocks.size <= BLOCKS) break;
      blocks.delete(oldest);
      retired.push(old);
    }
    return fetched;
  };

  const fetch = async (number: number, signal: AbortSignal): Promise<Uint8Array> => {
    const start = number * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES, size - start);
    const { stream } = await storage.get(source.uri, {
      range: { start, length },
      ifMatch: source.etag,
      signal,
    });
    const memory = spare.pop() ?? new Uint8Array(BLOCK_BYTES);
    const bytes = memory.subarray(0, length);
    let filled = 0;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    return bytes;
  };

  return {
    size,
    async read(offset, length, signal) {
      const end = Math.min(size, offset + length);
      if (offset >= end) return new Uint8Array(0);
      for (const block of retired) block.then(reuse, () => {});
      retired = [];
      const first = Math.floor(offset / BLOCK_BYTES);
      const last = Math.floor((end - 1) / BLOCK_BYTES);
      const wanted = [];
      for (let number = first; number <= last; number++) wanted.push(block(number, signal));
      if (blocks.has(first - 1) && (last + 1) * BLOCK_BYTES < size) block(last + 1, signal).catch(() => {});
      const parts = await Promise.all(wanted);
      const base = first * BLOCK_BYTES;
      const [only] = parts;
      return only !== undefined && parts.length === 1
        ? only.subarray(offset - base, end - base)
        : Buffer.concat(parts).subarray(offset - base, end - base);
    },
  };
}
