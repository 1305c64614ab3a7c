/** What is used of zip-stream, which brings no types. */
declare module 'zip-stream' {
  import type { Readable, Transform } from 'node:stream';

  export interface EntryData {
    readonly name: string;
    readonly store?: boolean;
    /** Bytes. */
    readonly size?: number;
    readonly date?: Date;
  }

  export default class ZipStream extends Transform {
    constructor(options?: { store?: boolean; forceZip64?: boolean });
    entry(
      source: Readable | Uint8Array | string,
      data: EntryData,
      done: (error?: Error | null) => void,
    ): this;
    finalize(): void;
  }
}
