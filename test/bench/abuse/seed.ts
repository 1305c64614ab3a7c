/** What abusers ask for: a job with a large archive, many results and a long log. */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { photoKind } from '@darkroom/contract';
import {
  appendLog,
  type Caller,
  commitSubmission,
  createReceiving,
  finishJob,
  openAttempt,
  type Records,
} from '@darkroom/records';
import { claimItem, newId, publishItem } from '@darkroom/records/testing.ts';
import type { Storage } from '@darkroom/storage';

const stage = 'recognise';
const MiB = 1024 ** 2;

async function job({ db }: Records, caller: Caller, items: number): Promise<string> {
  const id = newId();
  await createReceiving(db, { id, kind: photoKind, caller, input: {} });
  await commitSubmission(db, {
    id,
    fingerprint: id,
    input: photoKind.input.parse({}),
    stage,
    items: Array.from({ length: items }, (_, i) => ({ key: String(i + 1), input: { filename: `${i}.jpg` } })),
  });
  return id;
}

/** A job that has ended, of `items` items with a file of `fileMiB` MiB each. */
export async function endedJob(
  records: Records,
  storage: Storage,
  caller: Caller,
  { items, fileMiB }: { readonly items: number; readonly fileMiB: number },
): Promise<string> {
  const { db } = records;
  const id = await job(records, caller, items);
  const opened = await openAttempt(db, {
    jobId: id,
    run: 1,
    activity: 'bench',
    attempt: 1,
    stage,
    worker: 'bench',
    queueMs: 0,
  });
  const body = randomBytes(fileMiB * MiB);
  const contentType = 'image/jpeg';
  for (let n = 1; n <= items; n++) {
    await claimItem(db, opened.fence, stage, n);
    const path = `${n}_result.jpg`;
    const { uri, sha256 } = await storage.putBytes(`recognition-results/${id}/${path}`, body, {
      contentType,
    });
    const file = { path, uri, sha256, bytes: body.length, crc32: crc32(body), contentType };
    await publishItem(db, opened.fence, stage, n, { inputDigest: 'bench', files: [file], reached: 4 });
  }
  await finishJob(db, { jobId: id, run: 1, state: 'succeeded', result: {}, ownFiles: [] });
  return id;
}

/** A job that waits, with so many MiB of log. */
export async function loggingJob(records: Records, caller: Caller, logMiB: number): Promise<string> {
  const id = await job(records, caller, 1);
  const line = { jobId: id, run: 1, level: 'info', line: 'x'.repeat(8000) };
  for (let i = 0; i < logMiB; i++)
    await appendLog(records.db, Array<typeof line>(128).fill(line), 2 * logMiB * MiB);
  return id;
}
