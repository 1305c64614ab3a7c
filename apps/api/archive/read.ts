/**
 * The bytes of an archive's pieces, in their order. Small objects are fetched some dozens ahead, so that the reader does not wait for each;
 * large ones are opened a few ahead and read as fast as the reader takes them, and so are neighbours that lie beside each other in a pack.
 */
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Storage } from '@darkroom/storage';
import type { ArchivedFile, Segment } from './layout.ts';
import { type ObjectSegment, objectRange, type Piece, type Run, runsOf } from './runs.ts';

/** Large objects that are open before their turn; of each, less than a chunk is read. */
const openAhead = 4;
/** Small objects that are asked for, or here, before their turn: at most {@link smallBytes} of each are held. */
const fetchedAhead = 32;
/** Pieces that are held before their turn: of each object a header too, and what follows it. */
const heldAhead = 3 * fetchedAhead;
/** Pieces up to this are fetched whole, and joined up to this. */
const chunkBytes = 64 * 1024;
const smallBytes = chunkBytes;

/**
 * Chunks of the pieces, in order. Leaving the iteration, or `signal`, closes all that is open. Throws StorageError, and Error for an
 * object of another size than told.
 */
export async function* chunksOf(
  segments: AsyncIterable<Segment>,
  storage: Pick<Storage, 'get'>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of pieces(segments, storage, signal)) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < chunkBytes) continue;
    yield held.length === 1 ? chunk : Buffer.concat(held, bytes);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held, bytes);
}

interface Waiting {
  readonly piece: Piece;
  readonly opened?: Promise<Readable>;
  readonly fetched?: Promise<Buffer>;
}

async function* pieces(
  segments: AsyncIterable<Segment>,
  storage: Pick<Storage, 'get'>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const left = new AbortController();
  const stop = AbortSignal.any([signal, left.signal]);
  const crcs = new Map<string, number>();
  const coming = runsOf(segments);
  const waiting: Waiting[] = [];
  const count = { opened: 0, fetched: 0 };
  let ended = false;
  const lookAhead = async (): Promise<void> => {
    while (!ended && waiting.length < heldAhead && count.opened < openAhead && count.fetched < fetchedAhead) {
      const step = await coming.next();
      if (step.done === true) {
        ended = true;
        return;
      }
      const next = ahead(storage, step.value, stop);
      waiting.push(next);
      if (next.opened !== undefined) count.opened++;
      if (next.fetched !== undefined) count.fetched++;
    }
  };
  try {
    for (;;) {
      stop.throwIfAborted();
      // The next ones are on their way while this one is waited for.
      await lookAhead();
      const next = waiting.shift();
      if (next === undefined) return;
      const { piece } = next;
      if (next.fetched !== undefined) {
        const bytes = await next.fetched;
        count.fetched--;
        noteCrc(piece, crcs, () => crc32(bytes));
        yield bytes;
      } else if (next.opened !== undefined) {
        const opened = await next.opened;
        count.opened--;
        try {
          await lookAhead();
          yield* piece.kind === 'run' ? among(opened, piece) : content(opened, piece, crcs);
        } finally {
          opened.destroy();
        }
      } else if (piece.kind === 'bytes') yield piece.bytes;
      else if (piece.kind === 'crc') yield piece.bytes(await crcOf(storage, piece.file, crcs, stop));
    }
  } finally {
    left.abort();
    for (const { opened } of waiting)
      opened?.then(
        (stream) => stream.destroy(),
        () => {},
      );
    await coming.return();
  }
}

function ahead(storage: Pick<Storage, 'get'>, piece: Piece, signal: AbortSignal): Waiting {
  if (piece.kind !== 'object' && piece.kind !== 'run') return { piece };
  const opened = open(storage, piece, signal);
  const coming =
    piece.kind === 'object' && piece.length <= smallBytes ? { fetched: opened.then(wholeOf) } : { opened };
  // Told when it is its turn.
  (coming.fetched ?? opened).catch(() => {});
  return { piece, ...coming };
}

async function wholeOf(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function open(
  storage: Pick<Storage, 'get'>,
  piece: ObjectSegment | Run,
  signal: AbortSignal,
): Promise<Readable> {
  const { uri, range } = piece.kind === 'run' ? piece : objectRange(piece);
  const got = await storage.get(uri, { signal, range });
  const length = range?.length ?? (piece as ObjectSegment).length;
  // An abort destroys it with an error, also while nobody reads it yet.
  got.stream.on('error', () => {});
  if (got.length === length) return got.stream;
  got.stream.destroy();
  throw new Error(`${uri} gave ${got.length} bytes, not ${length}.`);
}

/** The bytes of a run's files, each behind what comes before it. */
async function* among(stream: Readable, { segments }: Run): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = (stream as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  let held: Uint8Array = new Uint8Array();
  for (const segment of segments) {
    if (segment.kind === 'bytes') {
      yield segment.bytes;
      continue;
    }
    for (let left = segment.length; left > 0; ) {
      if (held.length === 0) held = (await chunks.next()).value ?? endedEarly();
      const some = held.subarray(0, left);
      held = held.subarray(some.length);
      left -= some.length;
      yield some;
    }
  }
}

function endedEarly(): never {
  throw new Error('A pack ended before its files did.');
}

async function* content(
  stream: Readable,
  segment: Piece,
  crcs: Map<string, number>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let crc = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    if (isAsked(segment)) crc = crc32(chunk, crc);
    yield chunk;
  }
  noteCrc(segment, crcs, () => crc);
}

/** Whether the CRC-32 of a file is seen here first: its content passes whole. */
const isAsked = (segment: Piece): segment is ObjectSegment =>
  segment.kind === 'object' && segment.file.crc32 === undefined && segment.length === segment.file.bytes;

function noteCrc(segment: Piece, crcs: Map<string, number>, crc: () => number): void {
  if (isAsked(segment)) crcs.set(nameOf(segment.file), crc());
}

const nameOf = ({ uri, range }: ArchivedFile): string => `${uri} ${range?.start ?? 0}`;

/** As it was seen when the content passed; else the object is read for it. */
async function crcOf(
  storage: Pick<Storage, 'get'>,
  file: ArchivedFile,
  crcs: Map<string, number>,
  signal: AbortSignal,
): Promise<number> {
  const seen = crcs.get(nameOf(file));
  if (seen !== undefined || file.bytes === 0) return seen ?? 0;
  const stream = await open(storage, { kind: 'object', file, start: 0, length: file.bytes }, signal);
  let crc = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) crc = crc32(chunk, crc);
  crcs.set(nameOf(file), crc);
  return crc;
}
