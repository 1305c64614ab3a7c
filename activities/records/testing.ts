/** What the tests of this package begin with: a database of their own, and a small job in it. */
import { randomBytes } from 'node:crypto';
import type { KindDefinition } from '@darkroom/contract';
import { z } from 'zod';
import { freshDatabase, startPostgres, type TestPostgres } from '../../test/harness/postgres.ts';
import {
  type Caller,
  claimItem,
  commitSubmission,
  createReceiving,
  type Fence,
  idAt,
  openAttempt,
  openRecords,
  type Records,
} from './index.ts';

export const alice: Caller = { owner: 'alice', group: null, role: 'user', priority: 3 };

export const toy: KindDefinition = {
  kind: 'toy',
  title: 'Toy',
  workflow: 'toy',
  input: z.record(z.string(), z.unknown()),
  stages: [
    { name: 'read', unit: 'items', weight: 1 },
    { name: 'work', unit: 'items', weight: 3 },
    { name: 'pack', unit: 'files', weight: 1 },
  ],
  inputs: (id) => `in/${id}/`,
  outputs: (id) => [`out/${id}/`],
};

export interface TestRecords {
  readonly postgres: TestPostgres;
  readonly url: string;
  readonly records: Records;
  close(): Promise<void>;
}

export async function startRecords(pool = 10): Promise<TestRecords> {
  const postgres = await startPostgres();
  const url = await freshDatabase(postgres.url);
  const records = openRecords({ url, pool });
  return {
    postgres,
    url,
    records,
    async close() {
      await records.close();
      await postgres.stop();
    },
  };
}

/** A UUIDv7 of that moment. */
export function newId(ms: number = Date.now()): string {
  const random = randomBytes(10).toString('hex');
  return `${idAt(ms)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${random.slice(6, 18)}`;
}

export interface Wanted {
  readonly items?: number;
  readonly caller?: Caller;
  readonly idempotencyKey?: string;
  readonly fingerprint?: string;
  readonly resultsExpireAt?: Date;
}

export async function receiving({ db }: Records, caller: Caller = alice): Promise<string> {
  const id = newId();
  await createReceiving(db, { id, kind: toy, caller, input: {} });
  return id;
}

/** A queued job of `items` items, stages read, work (both count items) and pack. */
export async function submitted(records: Records, wanted: Wanted = {}): Promise<string> {
  const id = await receiving(records, wanted.caller);
  await commitSubmission(records.db, {
    id,
    fingerprint: wanted.fingerprint ?? 'f',
    input: { size: 1 },
    stage: 'work',
    items: Array.from({ length: wanted.items ?? 3 }, (_, i) => ({ key: `k${i + 1}`, input: { n: i + 1 } })),
    ...(wanted.idempotencyKey !== undefined && { idempotencyKey: wanted.idempotencyKey }),
    ...(wanted.resultsExpireAt !== undefined && { resultsExpireAt: wanted.resultsExpireAt }),
  });
  return id;
}

export async function attemptAt(
  { db }: Records,
  jobId: string,
  { attempt = 1, run = 1, activity = 'page' }: { attempt?: number; run?: number; activity?: string } = {},
): Promise<Fence> {
  const opened = await openAttempt(db, {
    jobId,
    run,
    activity,
    attempt,
    stage: 'work',
    worker: 'test',
    queueMs: 5,
  });
  return opened.fence;
}

/** An attempt that works on item 1. */
export async function working(records: Records, jobId: string, run = 1): Promise<Fence> {
  const fence = await attemptAt(records, jobId, { run });
  await claimItem(records.db, fence, 'work', 1);
  return fence;
}

export const published = { inputDigest: 'd', resultUri: 's3://b/k', sha256: 'x', bytes: 1, reached: 1 };
