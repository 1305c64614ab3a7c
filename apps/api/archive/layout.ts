/** Where everything lies in an archive, without holding its files: blocks of entries, whose files are asked for again. */
import { createHash } from 'node:crypto';
import {
  centralHeader,
  centralHeaderSize,
  descriptor,
  descriptorSize,
  dosTime,
  type Entry,
  endRecords,
  localHeader,
  localHeaderSize,
} from './zip.ts';

/** What an archive is made of. */
export interface ArchivedFile {
  readonly path: string;
  readonly uri: string;
  /** Bytes of the object that are the file; left out, all of them. */
  readonly range?: { readonly start: number; readonly length: number } | undefined;
  readonly bytes: number;
  readonly sha256: string;
  readonly crc32?: number | undefined;
}

/** The files in their order, by pages: the same at every call. */
export interface FilePages<Place> {
  page(
    after: Place | undefined,
    limit: number,
  ): Promise<{ readonly files: readonly ArchivedFile[]; readonly next: Place | undefined }>;
}

interface Block<Place> {
  readonly after: Place | undefined;
  readonly entries: number;
  /** Of its first local header. */
  readonly offset: number;
  /** Of its first central header, from the start of the central directory. */
  readonly central: number;
}

export interface Layout<Place> {
  /** Bytes of the archive. */
  readonly size: number;
  readonly entries: number;
  /** SHA-256 (hex) of all that its bytes are a function of. */
  readonly digest: string;
  /** MS-DOS time of the entries. */
  readonly time: number;
  /** In order; `offset` and `central` of the last one, which has no entries, are where data and central directory end. */
  readonly blocks: readonly Block<Place>[];
}

/** A piece of an archive. */
export type Segment =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  /** `length` bytes of a file from `start`. */
  | {
      readonly kind: 'object';
      readonly file: ArchivedFile;
      readonly start: number;
      readonly length: number;
    }
  /** Bytes that are known when the CRC-32 of the file is. */
  | { readonly kind: 'crc'; readonly file: ArchivedFile; readonly bytes: (crc32: number) => Buffer };

const entriesPerBlock = 500;

/** Reads all files once and tells where they lie in their archive. `at` is the time of all entries. */
export async function layoutOf<Place>(
  files: FilePages<Place>,
  at: Date,
  perBlock = entriesPerBlock,
): Promise<Layout<Place>> {
  const time = dosTime(at);
  const hash = createHash('sha256').update(`stored zip 1 ${time}\n`);
  const blocks: Block<Place>[] = [];
  let after: Place | undefined;
  let offset = 0;
  let central = 0;
  let count = 0;
  do {
    const { files: page, next } = await files.page(after, perBlock);
    blocks.push({ after, entries: page.length, offset, central });
    for (const file of page) {
      const entry = entryOf(file, offset);
      offset += entrySize(entry);
      central += centralHeaderSize(entry);
      const { path, bytes, sha256, crc32 } = file;
      hash.update(`${JSON.stringify([path, bytes, sha256, crc32])}\n`);
    }
    count += page.length;
    after = next;
  } while (after !== undefined);
  blocks.push({ after: undefined, entries: 0, offset, central });
  const ends = endRecords({ entries: count, size: central, offset });
  return {
    size: offset + central + ends.length,
    entries: count,
    digest: hash.digest('hex'),
    time,
    blocks,
  };
}

function entryOf({ path, bytes, crc32 }: ArchivedFile, offset: number): Entry {
  return { name: Buffer.from(path), size: bytes, crc32, offset };
}

const entrySize = (entry: Entry): number => localHeaderSize(entry) + entry.size + descriptorSize(entry);

/** The pieces of the archive's bytes from `start` up to `end` (exclusive), in order; a page of files is held at a time. */
export async function* segmentsOf<Place>(
  layout: Layout<Place>,
  files: FilePages<Place>,
  start: number,
  end: number,
): AsyncGenerator<Segment, void, undefined> {
  const { blocks, time, entries } = layout;
  const last = blocks.at(-1)!;
  const directory = last.offset;
  for (const [i, block] of blocks.slice(0, -1).entries()) {
    if (!overlap(block.offset, blocks[i + 1]!.offset, start, end)) continue;
    for (const { file, entry } of await entriesOf(files, block)) {
      if (overlap(entry.offset, entry.offset + entrySize(entry), start, end))
        yield* ofEntry(file, entry, time, start, end);
    }
  }
  for (const [i, block] of blocks.slice(0, -1).entries()) {
    let at = directory + block.central;
    if (!overlap(at, directory + blocks[i + 1]!.central, start, end)) continue;
    for (const { file, entry } of await entriesOf(files, block)) {
      const size = centralHeaderSize(entry);
      if (overlap(at, at + size, start, end))
        yield* cut(file, entry.crc32, (crc) => centralHeader(entry, crc, time), at, start, end);
      at += size;
    }
  }
  const central = { entries, size: last.central, offset: directory };
  const bytes = cutBytes(endRecords(central), directory + last.central, start, end);
  if (bytes.length > 0) yield { kind: 'bytes', bytes };
}

async function entriesOf<Place>(
  files: FilePages<Place>,
  block: Block<Place>,
): Promise<{ file: ArchivedFile; entry: Entry }[]> {
  if (block.entries === 0) return [];
  const page = (await files.page(block.after, block.entries)).files;
  let { offset } = block;
  return page.map((file) => {
    const entry = entryOf(file, offset);
    offset += entrySize(entry);
    return { file, entry };
  });
}

function* ofEntry(
  file: ArchivedFile,
  entry: Entry,
  time: number,
  start: number,
  end: number,
): Generator<Segment> {
  const header = cutBytes(localHeader(entry, time), entry.offset, start, end);
  if (header.length > 0) yield { kind: 'bytes', bytes: header };
  const content = entry.offset + localHeaderSize(entry);
  const from = Math.max(start, content);
  const to = Math.min(end, content + entry.size);
  if (from < to) yield { kind: 'object', file, start: from - content, length: to - from };
  const after = content + entry.size;
  if (entry.crc32 === undefined && overlap(after, after + descriptorSize(entry), start, end))
    yield* cut(file, undefined, (crc) => descriptor(entry, crc), after, start, end);
}

/** A record that tells a CRC, as far as it lies within the range. */
function* cut(
  file: ArchivedFile,
  crc32: number | undefined,
  write: (crc32: number) => Buffer,
  at: number,
  start: number,
  end: number,
): Generator<Segment> {
  const bytes = (crc: number): Buffer => cutBytes(write(crc), at, start, end);
  yield crc32 === undefined ? { kind: 'crc', file, bytes } : { kind: 'bytes', bytes: bytes(crc32) };
}

/** Of bytes that begin at `at`, those from `start` to `end`. */
const cutBytes = (bytes: Buffer, at: number, start: number, end: number): Buffer =>
  bytes.subarray(Math.max(0, start - at), Math.max(0, end - at));

const overlap = (from: number, to: number, start: number, end: number): boolean => from < end && to > start;
