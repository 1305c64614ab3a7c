/** Where the bytes of a FITS file come from: anything that can be read by ranges. */

export interface ByteSource {
  /** As problems name it: a URI or a path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Changes whenever the bytes do; headers and tile tables are cached by it. */
  readonly etag: string;
  /**
   * `length` bytes from `offset` on; fewer only at the end of the file. What it gives stays as it is. Throws SkyError `source_changed`, and what the store throws.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
}
