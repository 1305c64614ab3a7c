/** Reads a list from the store, some of its rows at a time, from wherever reading has stopped before. */
import { type ListSource, ProblemError } from '@darkroom/contract';
import { formatUri, parsePrefix, type Storage, StorageError } from '@darkroom/storage';
import { z } from 'zod';
import { firstRow, type ReadRow, RowFault, RowReader, UnreadableRows } from './rows.ts';
import { rowsTogether } from './work.ts';

/** Where the reading of a list stands, as a checkpoint keeps it. */
export const listCursor = z.strictObject({
  /** Rows read. */
  rows: z.int().min(0),
  /** Bytes of a file read; the next row begins there. */
  at: z.int().min(0).optional(),
  /** Of CSV: the names in its header. */
  columns: z.array(z.string()).optional(),
  /** Key of the last object of a listing. */
  after: z.string().optional(),
});
export type ListCursor = z.infer<typeof listCursor>;

export const beginningOfList: ListCursor = { rows: 0 };

/** Rows that came together, {@link rowsTogether} at most, and where reading goes on behind them. */
export interface ListPart {
  readonly rows: readonly Omit<ReadRow, 'end'>[];
  readonly cursor: ListCursor;
}

export interface ListReading {
  readonly signal: AbortSignal;
  /** Bytes of a row at most. */
  readonly rowBytes: number;
}

/**
 * The rows of a list behind `cursor`. A file is read at the ETag that it was pinned at; a row that cannot be read is a fault. Throws
 * StorageError (`source_changed`), and ProblemError `invalid_row` where rows cannot be told apart.
 */
export function readList(
  storage: Storage,
  source: ListSource,
  cursor: ListCursor,
  reading: ListReading,
): AsyncGenerator<ListPart> {
  return source.format === 'listing'
    ? readListing(storage, source.uri, cursor, reading)
    : readFile(storage, source, cursor, reading);
}

async function* readFile(
  storage: Storage,
  { uri, etag, bytes, format }: Exclude<ListSource, { format: 'listing' }>,
  { rows, at = 0, columns }: ListCursor,
  { signal, rowBytes }: ListReading,
): AsyncGenerator<ListPart> {
  const reader = new RowReader(format, { ...firstRow, rows, at, ...(columns && { columns }) }, rowBytes);
  try {
    if (at < bytes) {
      const range = { start: at, length: bytes - at };
      const { stream } = await storage.get(uri, { ifMatch: etag, range, signal });
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        yield* partsOf(reader.push(chunk), reader);
      }
    }
    yield* partsOf(reader.end(), reader);
  } catch (error) {
    if (!(error instanceof UnreadableRows)) throw error;
    throw new ProblemError('invalid_row', `Behind row ${reader.cursor.rows} of ${uri}: ${error.message}.`);
  }
}

/** The rows that were read last as parts. */
function* partsOf(rows: readonly ReadRow[], reader: RowReader): Generator<ListPart> {
  const cursor = cursorOf(reader);
  for (let from = 0; from < rows.length; from += rowsTogether) {
    const part = rows.slice(from, from + rowsTogether);
    const { number, end } = part.at(-1)!;
    yield { rows: part, cursor: { ...cursor, rows: number, at: end } };
  }
  // A header may have been read without a row.
  if (rows.length === 0) yield { rows, cursor };
}

const cursorOf = (reader: RowReader): ListCursor => {
  const { rows, at, columns } = reader.cursor;
  return { rows, at, ...(columns && { columns: [...columns] }) };
};

/** An object that a listing names. */
export interface ListedObject {
  readonly uri: string;
  /** Behind the prefix. */
  readonly key: string;
  readonly etag: string;
  readonly bytes: number;
}

async function* readListing(
  storage: Storage,
  prefix: string,
  { rows, after }: ListCursor,
  { signal }: ListReading,
): AsyncGenerator<ListPart> {
  const { bucket, key: under } = parsePrefix(prefix);
  let part: { number: number; value: unknown }[] = [];
  let cursor: ListCursor = { rows, ...(after !== undefined && { after }) };
  for await (const { key, etag, size } of storage.list(prefix, { after, signal })) {
    // What stands for a folder is no object to work on.
    if (!key.endsWith('/')) {
      const object = { key: key.slice(under.length), etag, bytes: size };
      part.push({ number: ++rows, value: usable({ bucket, key }, object) });
    }
    cursor = { rows, after: key };
    if (part.length < rowsTogether) continue;
    yield { rows: part, cursor };
    part = [];
  }
  yield { rows: part, cursor };
}

/** The object with its URI; a fault where its key cannot be written as one. */
function usable(
  at: Parameters<typeof formatUri>[0],
  object: Omit<ListedObject, 'uri'>,
): ListedObject | RowFault {
  try {
    return { uri: formatUri(at), ...object };
  } catch (error) {
    if (error instanceof StorageError) return new RowFault(error.message);
    throw error;
  }
}
