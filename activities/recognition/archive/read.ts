/** The pictures of an archive, one after the other, as its bytes are read. Pure: whoever reads gives it the bytes. */

import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { ArchiveFormat } from '@darkroom/contract/jobs/list.ts';
import { ProblemError, type ProblemRecord, problemOf } from '@darkroom/contract/problems/problem.ts';
import { type ArchiveBytes, blocks, damaged } from './bytes.ts';
import { type ArchiveLimits, Gate, type Passed } from './gate.ts';
import { type TarBytes, tarAsItComes, tarByRanges, tarMembers } from './tar.ts';
import { zipMembers } from './zip.ts';

/** A place in a tar file that is not compressed: a reading goes on there without what is before it. */
export interface Place {
  /** Of the header of the next member, bytes. */
  readonly offset: number;
  /** Before it, those included that were passed over. */
  readonly members: number;
}

/** Where a reading goes on. */
export interface From {
  /** Behind so many entries. */
  readonly after: number;
  /** A place that was reached, behind them or before, and what is known of what is before it; without it, that is read again. */
  readonly place?: (Place & Passed) | undefined;
}

/** A member of an archive that is not passed over, by its number from 1, and the place behind it where there is one. */
export type ArchiveEntry = {
  readonly number: number;
  readonly name: string;
  readonly place?: Place | undefined;
} & ({ readonly body: Buffer } | { readonly problem: ProblemRecord });

/**
 * Entries in the archive's order, from `from` on: their numbers are the same each time. What is wrong with one concerns that one. Throws
 * ProblemError `damaged_archive`, `too_large`, `too_many_items`.
 */
export async function* readArchive(
  archive: ArchiveBytes,
  format: ArchiveFormat,
  limits: ArchiveLimits,
  from: From = { after: 0 },
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const { after, place } = from;
  const gate = new Gate(limits, archive.size, place);
  if (format === 'zip') yield* entriesOfZip(archive, gate, after);
  else if (format === 'tar') yield* entriesOfTar(tarByRanges(archive, place?.offset ?? 0), gate, after);
  else {
    const chunks = unzipped(blocks(archive), (bytes) => gate.unpacked(bytes));
    try {
      for await (const { place: _, ...entry } of entriesOfTar(tarAsItComes(chunks), gate, after)) yield entry;
      // What is behind its end is checked as well.
      for await (const _ of chunks);
    } finally {
      await chunks.return(undefined);
    }
  }
}

async function* entriesOfZip(archive: ArchiveBytes, gate: Gate, after: number): AsyncGenerator<ArchiveEntry> {
  for await (const member of zipMembers(archive, (bytes) => gate.unpacked(bytes))) {
    const verdict = gate.judge(member);
    if (verdict.is === 'passed over') continue;
    const { number } = verdict;
    if (number <= after) {
      // Unpacked before, by another reading: the bounds are of the whole.
      if (verdict.is === 'taken') gate.unpacked(member.bytes);
      continue;
    }
    const { name } = member;
    if (verdict.is === 'refused') yield { number, name, problem: verdict.problem };
    else yield { number, name, ...(await readOrProblem(name, member.read)) };
  }
}

async function* entriesOfTar(bytes: TarBytes, gate: Gate, after: number): AsyncGenerator<ArchiveEntry> {
  for await (const { member, verdict, body, end } of tarMembers(
    bytes,
    (member) => gate.judge(member),
    after,
  )) {
    if (verdict.is === 'passed over' || verdict.number <= after) continue;
    const { name } = member;
    const { number } = verdict;
    const place = end === undefined ? undefined : { offset: end, members: gate.members };
    if (verdict.is === 'refused') yield { number, name, place, problem: verdict.problem };
    else yield { number, name, place, body };
  }
}

async function readOrProblem(
  name: string,
  read: () => Promise<Buffer>,
): Promise<{ body: Buffer } | { problem: ProblemRecord }> {
  try {
    return { body: await read() };
  } catch (error) {
    // The bounds of the whole; what else goes wrong in one member leaves the others to be read.
    if (error instanceof ProblemError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return { problem: problemOf('refused_entry', `${JSON.stringify(name)} is damaged: ${why}.`) };
  }
}

async function* unzipped(
  packed: Iterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const gunzip = createGunzip({ chunkSize: 256 << 10 });
  // Its error comes out of the loop below.
  pipeline(Readable.from(packed), gunzip, () => {});
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      count(chunk.length);
      yield chunk;
    }
  } catch (error) {
    throw error instanceof Error && 'code' in error && /^Z_|ERR_STREAM/.test(String(error.code))
      ? damaged(error.message)
      : error;
  }
}
