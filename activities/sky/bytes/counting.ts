import type { ByteSource } from './source.ts';

export interface CountingSource extends ByteSource {
  /** What was read, in order: offset and length in bytes. */
  readonly reads: { offset: number; length: number }[];
  /** Bytes of all reads together. */
  readonly bytes: number;
}

/** Notes what is read of another source, for tests and benchmarks. */
export function countingSource(source: ByteSource): CountingSource {
  const reads: { offset: number; length: number }[] = [];
  return {
    name: source.name,
    size: source.size,
    etag: source.etag,
    reads,
    get bytes() {
      return reads.reduce((sum, { length }) => sum + length, 0);
    },
    read(offset, length, signal) {
      reads.push({ offset, length });
      return source.read(offset, length, signal);
    },
  };
}
