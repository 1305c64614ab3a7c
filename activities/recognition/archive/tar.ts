/** The members of a tar file, as its bytes come. */
import { Header } from 'tar/header';
import { Pax } from 'tar/pax';
import { ReadEntry } from 'tar/read-entry';
import { type ArchiveBytes, blocks, damaged } from './bytes.ts';
import type { Member, Verdict } from './gate.ts';

export interface TarMember {
  readonly member: Member;
  readonly verdict: Verdict;
  /** Empty where it was not taken. */
  readonly body: Buffer;
  /** Byte right behind it, at which a reading may go on; absent where that would lack what a global header said. */
  readonly end?: number;
}

/** The bytes of a tar file in their order. */
export interface TarBytes {
  /** Of the next byte. */
  readonly offset: number;
  /** The next `length` bytes; fewer only at the end. */
  take(length: number): Promise<Buffer>;
  /** Passes over `length` bytes; whether there were so many. */
  pass(length: number): Promise<boolean>;
}

const kinds: Readonly<Record<string, Member['kind']>> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'folder',
  GNUDumpDir: 'folder',
  Link: 'a link',
  SymbolicLink: 'a symbolic link',
  CharacterDevice: 'a device',
  BlockDevice: 'a device',
  FIFO: 'a pipe',
};
/** Of what a header of its own says of the member behind it: a name, attributes. */
const mostMetaBytes = 64 << 10;
const blockBytes = 512;
/** How files begin that are compressed: gzip, Zstandard. */
const packed = /^(?:1f8b|28b52ffd)/;

/**
 * Members in their order, with the bodies of those that `judge` takes, the first `after` of them left out. What does not fit is not held: a
 * member is judged before its first byte. Throws ProblemError `damaged_archive`, and what `judge` throws.
 */
export async function* tarMembers(
  bytes: TarBytes,
  judge: (member: Member) => Verdict,
  after: number,
): AsyncGenerator<TarMember> {
  const began = bytes.offset;
  let extended: Pax | undefined;
  let global: Pax | undefined;
  let isAny = began > 0;
  let wasNull = false;
  for (;;) {
    const block = await bytes.take(blockBytes);
    if (block.length === 0) break;
    const header = headerOf(block, extended, global);
    // Two of them are the end.
    if (header.nullBlock && wasNull) break;
    wasNull = header.nullBlock;
    if (header.nullBlock) continue;
    const entry = entryOf(header, extended, global);
    if (entry.meta) {
      if (entry.size > mostMetaBytes) throw damaged('a name or attribute is longer than any may be');
      const text = String(await bodyOf(bytes, entry));
      if (entry.type === 'GlobalExtendedHeader') global = Pax.parse(text, global, true);
      else extended = extendedBy(entry.type, text, extended);
      continue;
    }
    extended = undefined;
    const member = memberOf(entry);
    const verdict = judge(member);
    const isTaken = verdict.is === 'taken' && verdict.number > after;
    const body = isTaken ? await bodyOf(bytes, entry) : Buffer.alloc(0);
    if (!isTaken && !(await bytes.pass(entry.startBlockSize))) throw cut();
    isAny = true;
    yield { member, verdict, body, ...(global === undefined && { end: bytes.offset }) };
  }
  if (!isAny) throw damaged('it is no tar file');
}

function headerOf(block: Buffer, extended: Pax | undefined, global: Pax | undefined): Header {
  if (packed.test(block.toString('hex', 0, 4))) throw damaged('it is compressed, or compressed twice');
  if (block.length < blockBytes) throw cut();
  try {
    return new Header(block, 0, extended, global);
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error));
  }
}

function entryOf(header: Header, extended: Pax | undefined, global: Pax | undefined): ReadEntry {
  if (!header.cksumValid) throw damaged('checksum failure');
  if (!header.path) throw damaged('a member has no path');
  const { type } = header;
  const isLink = type === 'Link' || type === 'SymbolicLink';
  if (isLink && !header.linkpath) throw damaged('a link leads nowhere');
  const isExtended = type === 'ExtendedHeader' || type === 'GlobalExtendedHeader';
  if (!isLink && !isExtended && header.linkpath) throw damaged('what is no link leads somewhere');
  return new ReadEntry(header, extended, global);
}

/** What is known of the next member, with what a header of its own says of it. */
function extendedBy(type: string, text: string, extended: Pax | undefined): Pax {
  if (type === 'ExtendedHeader' || type === 'OldExtendedHeader') return Pax.parse(text, extended, false);
  const name = text.replace(/\0.*/s, '');
  const key = type === 'NextFileHasLongLinkpath' ? 'linkpath' : 'path';
  return Object.assign(extended ?? new Pax({}), { [key]: name });
}

async function bodyOf(bytes: TarBytes, { header, startBlockSize }: ReadEntry): Promise<Buffer> {
  const padded = await bytes.take(startBlockSize);
  if (padded.length < startBlockSize) throw cut();
  return padded.subarray(0, header.size ?? 0);
}

const cut = () => damaged('it ends in its middle');

const memberOf = ({ path: name, type, size: bytes }: ReadEntry): Member => ({
  name,
  kind: kinds[type] ?? `an entry of the type ${type}`,
  bytes,
});

/** Of a file that is read by ranges, from `offset` on: what is passed over is not read. */
export const tarByRanges = (archive: ArchiveBytes, offset: number): TarBytes =>
  new ChunkedBytes(offset, {
    chunks: (from) => blocks(archive, from),
    size: archive.size,
  });

/** Of bytes that come one after the other. */
export const tarAsItComes = (chunks: AsyncIterable<Uint8Array>): TarBytes =>
  new ChunkedBytes(0, { chunks: () => chunks });

interface Chunks {
  readonly chunks: (from: number) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Of all, where they can be had from any offset on. */
  readonly size?: number;
}

class ChunkedBytes implements TarBytes {
  readonly #source: Chunks;
  #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array> | undefined;
  /** What is there of the last one. */
  #rest: Uint8Array = new Uint8Array();
  offset: number;

  constructor(offset: number, source: Chunks) {
    this.offset = offset;
    this.#source = source;
  }

  async take(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    await this.#each(length, (part) => parts.push(part));
    return Buffer.concat(parts);
  }

  async pass(length: number): Promise<boolean> {
    const { size } = this.#source;
    if (size === undefined || length <= this.#rest.length)
      return (await this.#each(length, () => {})) === length;
    this.#chunks = undefined;
    this.#rest = new Uint8Array();
    this.offset += length;
    return this.offset <= size;
  }

  async #each(length: number, take: (part: Uint8Array) => void): Promise<number> {
    let left = length;
    while (left > 0) {
      if (this.#rest.length === 0) {
        this.#chunks ??= iteratorOf(this.#source.chunks(this.offset));
        const next = await this.#chunks.next();
        if (next.done === true) break;
        this.#rest = next.value;
        continue;
      }
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      this.offset += part.length;
      left -= part.length;
      take(part);
    }
    return length - left;
  }
}

const iteratorOf = <T>(of: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> =>
  Symbol.asyncIterator in of ? of[Symbol.asyncIterator]() : of[Symbol.iterator]();
