/** The members of a tar file, as its bytes come. */
import { Parser } from 'tar/parse';
import { damaged } from './bytes.ts';
import type { Member, Verdict } from './gate.ts';

type ReadEntry = Parameters<NonNullable<ConstructorParameters<typeof Parser>[0]>['onReadEntry'] & object>[0];

export interface TarMember {
  readonly member: Member;
  readonly verdict: Verdict;
  /** Empty where it was not taken. */
  readonly body: Buffer;
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
const faults = ['TAR_BAD_ARCHIVE', 'TAR_ENTRY_INVALID', 'TAR_ENTRY_ERROR', 'TAR_ABORT'];
/** How files begin that the parser would unpack by itself: gzip, Zstandard. */
const packedAgain = /^(?:1f8b|28b52ffd)/;
const mostMagicBytes = 4;

/**
 * Members in their order, with the bodies of those that `judge` takes, the first `after` of them left out. What does not fit is not held: a
 * member is judged before its first byte. Throws ProblemError `damaged_archive`, and what `judge` throws.
 */
export async function* tarMembers(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  judge: (member: Member) => Verdict,
  after: number,
): AsyncGenerator<TarMember> {
  let ready: TarMember[] = [];
  let failure: { readonly error: unknown } | undefined;
  const open = (entry: ReadEntry): void => {
    try {
      const member = memberOf(entry);
      const verdict = judge(member);
      const parts: Buffer[] = [];
      if (verdict.is === 'taken' && verdict.number > after) entry.on('data', (part) => parts.push(part));
      else entry.resume();
      const end = (): void => void ready.push({ member, verdict, body: Buffer.concat(parts) });
      if (entry.ignore) end();
      else entry.on('end', end);
    } catch (error) {
      failure ??= { error };
      entry.resume();
    }
  };
  const parser = new Parser({
    maxMetaEntrySize: mostMetaBytes,
    onReadEntry: open,
    onwarn: (code, message) => {
      if (faults.includes(code)) failure ??= { error: damaged(String(message)) };
    },
  });
  // Of a kind that it does not know; the names of others that are too long to be read are none.
  parser.on('ignoredEntry', (entry: ReadEntry) => {
    if (entry.meta) failure ??= { error: damaged('a name or attribute is longer than any may be') };
    else open(entry);
  });
  for await (const chunk of unpackedOnly(chunks)) {
    parser.write(chunk);
    if (failure !== undefined) throw failure.error;
    yield* ready;
    ready = [];
  }
  parser.end();
  if (failure !== undefined) throw failure.error;
  yield* ready;
}

/** The same bytes, the first of them together, as they say what the file is. Throws ProblemError `damaged_archive` where the parser would unpack it. */
async function* unpackedOnly(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  let first: Buffer | undefined = Buffer.alloc(0);
  const checked = (bytes: Buffer): Buffer => {
    if (packedAgain.test(bytes.toString('hex', 0, mostMagicBytes)))
      throw damaged('it is compressed, or compressed twice');
    return bytes;
  };
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (first === undefined) {
      yield bytes;
      continue;
    }
    first = Buffer.concat([first, bytes]);
    if (first.length < mostMagicBytes) continue;
    yield checked(first);
    first = undefined;
  }
  if (first !== undefined && first.length > 0) yield checked(first);
}

function memberOf({ path: name, type, size: bytes }: ReadEntry): Member {
  return { name, kind: kinds[type] ?? `an entry of the type ${type}`, bytes };
}
