/**
 * Cuts the bytes of a file into its rows, each with the place where it ends, so that reading can go on behind any of them.
 *
 * Not csv-parse (7.0): with `max_record_size` it loses the rows behind one that is too long, and without it a quote that is never closed
 * has it hold the rest of the file; of a row that it skips it tells neither number nor end, by which a checkpoint goes on.
 */

/** A row as it lies in the file, without its line end. */
export interface RawRow {
  /** Undefined of a row that is longer than a row may be. */
  readonly bytes: Uint8Array | undefined;
  /** Bytes of the file up to here: where the next row begins. */
  readonly end: number;
}

export interface SplitterOptions {
  /** Byte of the file at which the first chunk begins: 0, or a row's `end`. */
  readonly from: number;
  /** Bytes of a row at most. */
  readonly mostBytes: number;
  /** Whether a line end within double quotes belongs to the row, as in CSV. */
  readonly quotes: boolean;
}

/** The file cannot be cut into rows from here on. */
export class UnreadableRows extends Error {
  override readonly name = 'UnreadableRows';
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const comma = 0x2c;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** Where a byte of CSV stands; a quote means something at a cell's start and within quotes alone. */
type Place =
  | 'cell start'
  | 'plain'
  | 'quoted'
  /** Behind a quote that ends the cell, unless another follows. */
  | 'closed';

/** Holds the bytes of one unfinished row at most. Rows without a byte are passed over. */
export class RowSplitter {
  readonly #mostBytes: number;
  readonly #quotes: boolean;
  /** Of the file, read so far. */
  #read: number;
  /** Beginning of the row under way, of earlier chunks. */
  #begun: Uint8Array[] = [];
  #begunBytes = 0;
  #place: Place = 'cell start';

  constructor({ from, mostBytes, quotes }: SplitterOptions) {
    this.#read = from;
    this.#mostBytes = mostBytes;
    this.#quotes = quotes;
  }

  /**
   * The rows that end in the chunk. Throws {@link UnreadableRows} for a quote that is not closed within a row's length: one call late, so
   * that the rows before it are known.
   */
  push(chunk: Uint8Array): RawRow[] {
    if (this.#place === 'quoted' && this.#begunBytes > this.#mostBytes) throw unclosed(this.#mostBytes);
    const rows: RawRow[] = [];
    let from = this.#markAt(chunk);
    for (;;) {
      const at = this.#quotes ? this.#lineEnd(chunk, from) : chunk.indexOf(lineFeed, from);
      if (at === -1) break;
      this.#finish(rows, chunk.subarray(from, at), this.#read + at + 1);
      from = at + 1;
    }
    this.#keep(chunk.subarray(from));
    this.#read += chunk.length;
    return rows;
  }

  /** The last row, where the file ends without a line end. Throws {@link UnreadableRows} for a quote that is still open. */
  end(): RawRow[] {
    if (this.#place === 'quoted') throw unclosed(this.#mostBytes);
    const rows: RawRow[] = [];
    this.#finish(rows, new Uint8Array(), this.#read);
    return rows;
  }

  /** Length of the byte order mark that a file may begin with. */
  #markAt(chunk: Uint8Array): number {
    const marked = this.#read === 0 && byteOrderMark.equals(chunk.subarray(0, byteOrderMark.length));
    return marked ? byteOrderMark.length : 0;
  }

  /** Index of the line end of the row that goes on at `from`, -1 when it is in a later chunk. */
  #lineEnd(chunk: Uint8Array, from: number): number {
    let place = this.#place;
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (place === 'quoted') {
        if (byte === quote) place = 'closed';
      } else if (byte === lineFeed) {
        this.#place = 'cell start';
        return at;
      } else if (byte === comma) place = 'cell start';
      else if (byte === quote && place !== 'plain') place = 'quoted';
      else place = 'plain';
    }
    this.#place = place;
    return -1;
  }

  #keep(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.#begunBytes += rest.length;
    if (this.#begunBytes > this.#mostBytes) this.#begun = [];
    // A copy: the chunk may be a piece of a larger buffer, which would stay.
    else this.#begun.push(Buffer.from(rest));
  }

  #finish(rows: RawRow[], last: Uint8Array, end: number): void {
    const length = this.#begunBytes + last.length;
    const whole = this.#begun.length === 0 ? last : Buffer.concat([...this.#begun, last]);
    this.#begun = [];
    this.#begunBytes = 0;
    if (length > this.#mostBytes) rows.push({ bytes: undefined, end });
    else {
      const bytes = whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole;
      if (bytes.length > 0) rows.push({ bytes, end });
    }
  }
}

const unclosed = (mostBytes: number): UnreadableRows =>
  new UnreadableRows(`a double quote is opened and not closed within ${mostBytes} bytes`);
