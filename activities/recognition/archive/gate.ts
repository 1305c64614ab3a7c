/** What of an archive is taken: each member is judged by its name, kind and size before a byte of it is read, and all together by what they come to. */
import { hash } from 'node:crypto';
import { ProblemError, type ProblemRecord, problemOf } from '@darkroom/contract/problems/problem.ts';

export interface ArchiveLimits {
  /** Members, those included that are passed over. */
  readonly members: number;
  /** Of one member, bytes. */
  readonly memberBytes: number;
  /** Of all that is unpacked, bytes. */
  readonly unpackedBytes: number;
  /** Bytes unpacked for each of the archive's own, beyond the first {@link freeBytes}. */
  readonly ratio: number;
}

/** What a member says of itself. */
export interface Member {
  readonly name: string;
  /** What it is where it is no plain file, such as `a symbolic link`; `folder` is passed over. */
  readonly kind: 'file' | 'folder' | `a${string}`;
  /** As the archive tells it: it need not be true. */
  readonly bytes: number;
  /** Why its content cannot be read, in words that follow its name. */
  readonly unreadable?: string | undefined;
}

/** What becomes of a member: it is passed over without a word, refused by name, or read. Those that are not passed over are numbered from 1. */
export type Verdict =
  | { readonly is: 'passed over' }
  | { readonly is: 'refused'; readonly number: number; readonly problem: ProblemRecord }
  | { readonly is: 'taken'; readonly number: number };

/** What a gate knows of members behind which a reading goes on. */
export interface Passed {
  /** Those included that were passed over. */
  readonly members: number;
  /** The last number that was given. */
  readonly numbered: number;
  /** Names that were taken, as {@link marksOf} has them. */
  readonly names: Uint8Array;
}

/** Whatever is that small may be as empty as it likes. */
export const freeBytes = 64 << 20;
const mostNameBytes = 1024;
const archives = /\.(?:zip|tar|t?gz|t?bz2|t?xz|t?zst|7z|rar)$/i;
/** What systems add to an archive: nobody has put it there. */
const ofSystem = /(?:^|\/)(?:__MACOSX\/|\.DS_Store$|\._|Thumbs\.db$|desktop\.ini$)/;

const markBytes = 12;
/** What is kept of a name: a million long ones would take more memory than the process may have. */
const markOf = (name: string): string =>
  hash('sha1', name.replaceAll('\\', '/'), 'base64').slice(0, (markBytes * 4) / 3);

/** Names as a gate keeps them, one after the other. */
export const marksOf = (names: readonly string[]): Uint8Array =>
  Buffer.concat(names.map((name) => Buffer.from(markOf(name), 'base64')));

function* marksIn(names: Uint8Array): Generator<string> {
  const bytes = Buffer.from(names.buffer, names.byteOffset, names.byteLength);
  for (let at = 0; at < bytes.length; at += markBytes) yield bytes.toString('base64', at, at + markBytes);
}

/** Why a name is no path within an archive, in words that follow it; undefined where it is one. */
export function faultOfName(name: string): string | undefined {
  if (name === '') return 'has no name';
  if (Buffer.byteLength(name) > mostNameBytes) return `has a name of more than ${mostNameBytes} bytes`;
  if (/\p{Cc}/u.test(name)) return 'has control characters in its name';
  if (/^(?:[/\\]|[a-z]:)/i.test(name)) return 'has an absolute path';
  if (name.split(/[/\\]/).includes('..')) return 'has a path that leaves the archive';
  return undefined;
}

export class Gate {
  readonly #limits: ArchiveLimits;
  readonly #mostBytes: number;
  readonly #mostByRatio: number;
  /** Marks of the names that were taken. */
  readonly #names: Set<string>;
  #members: number;
  #numbered: number;
  #unpacked = 0;

  /** `archiveBytes`: of the archive itself. */
  constructor(limits: ArchiveLimits, archiveBytes: number, passed?: Passed) {
    this.#limits = limits;
    this.#names = new Set(passed && marksIn(passed.names));
    this.#members = passed?.members ?? 0;
    this.#numbered = passed?.numbered ?? 0;
    this.#mostByRatio = freeBytes + limits.ratio * archiveBytes;
    this.#mostBytes = Math.min(limits.unpackedBytes, this.#mostByRatio);
  }

  /** So far, those included that were passed over. */
  get members(): number {
    return this.#members;
  }

  /** Throws ProblemError `too_many_items`. */
  judge(member: Member): Verdict {
    const { members } = this.#limits;
    if (++this.#members > members)
      throw new ProblemError(
        'too_many_items',
        `The archive has more than ${members} entries (LIMIT_PLAN_ROWS).`,
      );
    const { name, kind } = member;
    if (kind === 'folder' || ofSystem.test(name)) return { is: 'passed over' };
    const number = ++this.#numbered;
    const problem = this.#problemOf(member);
    return problem === undefined ? { is: 'taken', number } : { is: 'refused', number, problem };
  }

  /** So many more bytes were unpacked. Throws ProblemError `too_large`. */
  unpacked(bytes: number): void {
    this.#unpacked += bytes;
    if (this.#unpacked <= this.#mostBytes) return;
    const { ratio, unpackedBytes } = this.#limits;
    throw new ProblemError(
      'too_large',
      this.#mostByRatio < unpackedBytes
        ? `The archive unpacks to more than ${ratio} times its size (LIMIT_ARCHIVE_RATIO).`
        : `The archive unpacks to more than ${unpackedBytes} bytes (LIMIT_ARCHIVE_UNPACKED_BYTES).`,
    );
  }

  #problemOf({ name, kind, bytes, unreadable }: Member): ProblemRecord | undefined {
    const shown = JSON.stringify(name.slice(0, 200));
    const refused = (why: string): ProblemRecord => problemOf('refused_entry', `${shown} ${why}.`);
    const fault = faultOfName(name);
    if (fault !== undefined) return refused(fault);
    if (kind !== 'file') return refused(`is ${kind}`);
    if (this.#names.has(markOf(name))) return refused('is there twice: the first one was taken');
    if (archives.test(name)) return refused('is an archive itself: those within archives are not opened');
    if (unreadable !== undefined) return refused(unreadable);
    const { memberBytes } = this.#limits;
    if (bytes > memberBytes)
      return problemOf(
        'too_large',
        `${shown} has ${bytes} bytes; a picture may have ${memberBytes} (LIMIT_PREDICTION_BYTES).`,
      );
    this.#names.add(markOf(name));
    return undefined;
  }
}
