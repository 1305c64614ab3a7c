/** What is known of files: their headers and tile tables, by name and ETag, for all who open them. */
import type { ByteSource } from '../../bytes/source.ts';

/** Something kept; `bytes` of memory may grow while it is kept, see {@link FitsCache.grow}. */
interface Entry {
  value: object;
  bytes: number;
}

/**
 * Bounded by bytes: what was used longest ago goes first. A file that has changed has another ETag, so another entry. One of them is shared by
 * as many opens as like to.
 */
export class FitsCache {
  private readonly limit: number;
  private readonly entries = new Map<string, Entry>();
  private used = 0;

  /** @param bytes of memory, about; default 64 MiB */
  constructor(bytes = 64 * 2 ** 20) {
    this.limit = bytes;
  }

  /** Bytes of memory that are in use, about. */
  get bytes(): number {
    return this.used;
  }

  /** The file's entry, made by `make` where there is none. */
  of<T extends object>(source: ByteSource, make: () => T): T {
    const key = `${source.etag} ${source.name}`;
    const entry = this.entries.get(key) ?? { value: make(), bytes: 0 };
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value as T;
  }

  /** That entry takes so many bytes more. */
  grow(source: ByteSource, bytes: number): void {
    const entry = this.entries.get(`${source.etag} ${source.name}`);
    // It has left meanwhile: whoever still holds it keeps it alone.
    if (entry === undefined) return;
    entry.bytes += bytes;
    this.used += bytes;
    for (const [key, oldest] of this.entries) {
      if (this.used <= this.limit) break;
      this.entries.delete(key);
      this.used -= oldest.bytes;
    }
  }
}
