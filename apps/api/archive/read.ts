/**
 * The bytes of an archive's pieces, in their order. Small objects are fetched some dozens ahead, so that the reader does not wait for each;
 * large ones are opened a few ahead and read as fast as the reader takes them.
 */
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Storage } from '@darkroom/storage';
import type { ArchivedFile, Segment } from './layout.ts';

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
  readonly segment: Segment;
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
  const coming = segments[Symbol.asyncIterator]();
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
      const { segment } = next;
      if (next.fetched !== undefined) {
        const bytes = await next.fetched;
        count.fetched--;
        noteCrc(segment, crcs, () => crc32(bytes));
        yield bytes;
      } else if (next.opened !== undefined) {
        const opened = await next.opened;
        count.opened--;
        try {
          await lookAhead();
          yield* content(opened, segment, crcs);
        } finally {
          opened.destroy();
        }
      } else if (segment.kind === 'bytes') yield segment.bytes;
      else if (segment.kind === 'crc') yield segment.bytes(await crcOf(storage, segment.file, crcs, stop));
    }
  } finally {
    left.abort();
    for (const { opened } of waiting)
      opened?.then(
        (stream) => stream.destroy(),
        () => {},
      );
    await coming.return?.();
  }
}

function ahead(storage: Pick<Storage, 'get'>, segment: Segment, signal: AbortSignal): Waiting {
  if (segment.kind !== 'object') return { segment };
  const opened = open(storage, segment, signal);
  const coming = segment.length <= smallBytes ? { fetched: opened.then(wholeOf) } : { opened };
  // Told when it is its turn.
  (coming.fetched ?? opened).catch(() => {});
  return { segment, ...coming };
}

async function wholeOf(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function open(
  storage: Pick<Storage, 'get'>,
  { file, start, length }: Segment & { kind: 'object' },
  signal: AbortSignal,
): Promise<Readable> {
  const whole = length === file.bytes;
  const got = await storage.get(file.uri, { signal, ...(!whole && { range: { start, length } }) });
  // An abort destroys it with an error, also while nobody reads it yet.
  got.stream.on('error', () => {});
  if (got.length === length) return got.stream;
  got.stream.destroy();
  throw new Error(`${file.uri} has ${got.length} bytes, not ${file.bytes}.`);
}

async function* content(
  stream: Readable,
  segment: Segment,
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
const isAsked = (segment: Segment): segment is Segment & { kind: 'object' } =>
  segment.kind === 'object' && segment.file.crc32 === undefined && segment.length === segment.file.bytes;

function noteCrc(segment: Segment, crcs: Map<string, number>, crc: () => number): void {
  if (isAsked(segment)) crcs.set(segment.file.uri, crc());
}

/** As it was seen when the content passed; else the object is read for it. */
async function crcOf(
  storage: Pick<Storage, 'get'>,
  file: ArchivedFile,
  crcs: Map<string, number>,
  signal: AbortSignal,
): Promise<number> {
  const seen = crcs.get(file.uri);
  if (seen !== undefined || file.bytes === 0) return seen ?? 0;
  const stream = await open(storage, { kind: 'object', file, start: 0, length: file.bytes }, signal);
  let crc = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) crc = crc32(chunk, crc);
  crcs.set(file.uri, crc);
  return crc;
}
