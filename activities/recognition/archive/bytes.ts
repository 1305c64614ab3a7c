/** The bytes of an archive. */
import { ProblemError } from '@darkroom/contract/problems/problem.ts';

/** An archive by ranges. */
export interface ArchiveBytes {
  readonly size: number;
  /** Bytes from `offset` on; fewer only at the end. */
  read(offset: number, length: number): Uint8Array;
}

const blockBytes = 256 << 10;

/** The bytes of a range, block by block. */
export function* blocks(archive: ArchiveBytes, from = 0, to = archive.size): Generator<Uint8Array> {
  for (let at = from; at < to; at += blockBytes) yield archive.read(at, Math.min(blockBytes, to - at));
}

/** Something is wrong with an archive that all of it, or what follows, cannot be read for. */
export const damaged = (why: string): ProblemError =>
  new ProblemError('damaged_archive', `The archive cannot be read: ${why}.`);
