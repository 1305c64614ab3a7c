/** The pictures of an archive, one after the other, as its bytes are read. Pure: whoever reads gives it the bytes. */

import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { ArchiveFormat } from '@darkroom/contract/list.ts';
import { ProblemError, type ProblemRecord, problemOf } from '@darkroom/contract/problem.ts';
import { type ArchiveBytes, blocks, damaged } from './bytes.ts';
import { type ArchiveLimits, Gate } from './gate.ts';
import { tarMembers } from './tar.ts';
import { zipMembers } from './zip.ts';

/** A member of an archive that is not passed over, by its number from 1. */
export type ArchiveEntry = { readonly number: number; readonly name: string } & (
  | { readonly body: Buffer }
  | { readonly problem: ProblemRecord }
);

/**
 * Entries behind the first `after`, in the archive's order: their numbers are the same each time. What is wrong with one concerns that one. Throws
 * ProblemError `damaged_archive`, `too_large`, `too_many_items`.
 */
export async function* readArchive(
  archive: ArchiveBytes,
  format: ArchiveFormat,
  limits: ArchiveLimits,
  after = 0,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const gate = new Gate(limits, archive.size);
  if (format === 'zip') {
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
    return;
  }
  const packed = blocks(archive);
  const chunks = format === 'tar.gz' ? unzipped(packed, (bytes) => gate.unpacked(bytes)) : packed;
  for await (const { member, verdict, body } of tarMembers(chunks, (member) => gate.judge(member), after)) {
    if (verdict.is === 'passed over' || verdict.number <= after) continue;
    const { name } = member;
    const { number } = verdict;
    if (verdict.is === 'refused') yield { number, name, problem: verdict.problem };
    else yield { number, name, body };
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
): AsyncGenerator<Uint8Array> {
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
