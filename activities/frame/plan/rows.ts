/** Rows of a list: what stands in each, and where reading goes on behind it. */
import { type ListFormat, storable } from '@darkroom/contract';
import { cellsOf, RowFault } from './csv-cells.ts';
import { type RawRow, RowSplitter, UnreadableRows } from './row-splitter.ts';

export { RowFault } from './csv-cells.ts';
export { UnreadableRows } from './row-splitter.ts';

/** Where the reading of a file stands. */
export interface RowsCursor {
  /** Bytes read: the next row begins here. */
  readonly at: number;
  /** Rows read, the header of CSV aside. */
  readonly rows: number;
  /** Of CSV: the names in its header, once that was read. */
  readonly columns?: readonly string[];
}

export const firstRow: RowsCursor = { at: 0, rows: 0 };

export interface ReadRow {
  /** From 1. */
  readonly number: number;
  /** Of CSV the cells by column, without the empty ones; of NDJSON what stands there. A fault where it cannot be read. */
  readonly value: unknown;
  /** Where the next row begins. */
  readonly end: number;
}

/**
 * Reads rows from the bytes that follow `cursor`. The value of a row that cannot be read is a {@link RowFault}. Throws `UnreadableRows` where
 * there are no rows to be told apart any more, and for a header that cannot be one.
 */
export class RowReader {
  readonly #format: ListFormat;
  readonly #mostBytes: number;
  readonly #splitter: RowSplitter;
  #columns: readonly string[] | undefined;
  #rows: number;
  #at: number;

  constructor(format: ListFormat, { at, rows, columns }: RowsCursor, mostBytes: number) {
    this.#format = format;
    this.#mostBytes = mostBytes;
    this.#splitter = new RowSplitter({ from: at, mostBytes, quotes: format === 'csv' });
    this.#columns = columns;
    this.#rows = rows;
    this.#at = at;
  }

  /** Behind the last row that was returned. */
  get cursor(): RowsCursor {
    return { at: this.#at, rows: this.#rows, ...(this.#columns && { columns: this.#columns }) };
  }

  push(chunk: Uint8Array): ReadRow[] {
    return this.#read(this.#splitter.push(chunk));
  }

  /** The last row, where the file ends without a line end. */
  end(): ReadRow[] {
    return this.#read(this.#splitter.end());
  }

  #read(raw: readonly RawRow[]): ReadRow[] {
    const rows: ReadRow[] = [];
    for (const row of raw) {
      this.#at = row.end;
      if (this.#format === 'csv' && this.#columns === undefined) this.#columns = this.#header(row);
      else rows.push({ number: ++this.#rows, value: faultOr(() => this.#valueOf(row)), end: row.end });
    }
    return rows;
  }

  #header(row: RawRow): string[] {
    const names = faultOr(() => cellsOf(this.#textOf(row)).map((name) => name.trim()));
    if (names instanceof RowFault) throw unreadable(names.message);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (names.includes('')) throw unreadable('a column has no name');
    if (twice !== undefined) throw unreadable(`two columns are called ${twice}`);
    return names;
  }

  #valueOf(row: RawRow): unknown {
    const text = this.#textOf(row);
    return this.#format === 'csv' ? recordOf(this.#columns!, cellsOf(text)) : jsonOf(text);
  }

  #textOf({ bytes }: RawRow): string {
    if (bytes === undefined)
      throw new RowFault(`it has more than ${this.#mostBytes} bytes (LIMIT_PLAN_ROW_BYTES)`);
    try {
      return utf8.decode(bytes);
    } catch {
      throw new RowFault('it is not UTF-8');
    }
  }
}

const unreadable = (why: string): UnreadableRows => new UnreadableRows(`the header: ${why}`);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function faultOr<T>(read: () => T): T | RowFault {
  try {
    return read();
  } catch (error) {
    if (error instanceof RowFault) return error;
    throw error;
  }
}

function recordOf(columns: readonly string[], cells: readonly string[]): Record<string, string> {
  if (cells.length !== columns.length)
    throw new RowFault(`it has ${cells.length} cells, and the header ${columns.length}`);
  // An empty cell is none: taken as a text it would be the number 0.
  return Object.fromEntries(
    columns.flatMap((name, index) => (cells[index] === '' ? [] : [[name, requireStorable(cells[index]!)]])),
  );
}

function jsonOf(text: string): unknown {
  let value: unknown;
  try {
    // Escapes are the only way to characters that Postgres does not take.
    value = text.includes('\\u') ? JSON.parse(text, refuseUnstorable) : JSON.parse(text);
  } catch (error) {
    if (error instanceof RowFault) throw error;
    throw new RowFault('it is not JSON');
  }
  return value;
}

const refuseUnstorable = (key: string, value: unknown): unknown => {
  requireStorable(key);
  return typeof value === 'string' ? requireStorable(value) : value;
};

function requireStorable(text: string): string {
  if (storable(text) !== text) throw new RowFault('it holds a NUL, or half a surrogate pair');
  return text;
}
