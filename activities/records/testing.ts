/** What the tests of this package begin with: a database of their own, and a small job in it. */
import { randomBytes } from 'node:crypto';
import type { KindDefinition, ProblemRecord } from '@darkroom/contract';
import { eq } from 'drizzle-orm';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import { z } from 'zod';
import { freshDatabase, startPostgres, type TestPostgres } from '../../test/harness/postgres.ts';
import {
  type Caller,
  type Claim,
  claimItems,
  commitSubmission,
  createReceiving,
  type Db,
  endItems,
  type Fence,
  heldItems,
  idAt,
  type Kind,
  type KindRecords,
  openAttempt,
  openRecords,
  type Publication,
  type Records,
} from './index.ts';
import { ofJob } from './schema.ts';

export const alice: Caller = { owner: 'alice', group: null, role: 'user', priority: 3 };

export const toy: KindDefinition = {
  kind: 'toy',
  title: 'Toy',
  workflow: 'toy',
  input: z.record(z.string(), z.unknown()),
  stages: [
    { name: 'read', unit: 'items', weight: 1, itemsOf: 'work' },
    { name: 'work', unit: 'items', weight: 3, itemsOf: 'work' },
    // Of the same unit, and yet it counts them not.
    { name: 'pack', unit: 'items', weight: 1 },
  ],
  inputs: (id) => `in/${id}/`,
  outputs: (id) => [`out/${id}/`],
};

/** A table of the toy's own: what its items were found to be. */
const toyFindings = pgTable('toy_findings', {
  jobId: ofJob(),
  ordinal: integer().notNull(),
  size: integer().notNull(),
});

/** Writes that item 1 of a job is of size 1. */
export const insertFinding = async (tx: Db, jobId: string): Promise<void> => {
  await tx.insert(toyFindings).values({ jobId, ordinal: 1, size: 1 });
};

export const findingsOf = async (db: Db, jobId: string): Promise<{ ordinal: number; size: number }[]> =>
  db
    .select({ ordinal: toyFindings.ordinal, size: toyFindings.size })
    .from(toyFindings)
    .where(eq(toyFindings.jobId, jobId));

/** What the toy has in the records: its findings are forgotten with the items, and are gone with the job. */
export const toyRecords: KindRecords = {
  tables: [toyFindings],
  forget: async (tx, { jobId }) => {
    await tx.delete(toyFindings).where(eq(toyFindings.jobId, jobId));
  },
  found: async (tx, { jobId, count }) => {
    await tx.insert(toyFindings).values({ jobId, ordinal: 0, size: count });
  },
};

/** The toy with all that a kind can have: findings of its own, and a size. */
export const toyKind: Kind = {
  ...toy,
  records: toyRecords,
  sizes: { items: ({ stage }) => Number(stage === 'work') },
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
  await records.sql`create table toy_findings (
    job_id text not null references jobs (id), ordinal integer not null, size integer not null)`;
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
  readonly groups?: readonly (string | undefined)[];
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
    items: Array.from({ length: wanted.items ?? 3 }, (_, i) => ({
      key: `k${i + 1}`,
      input: { n: i + 1 },
      group: wanted.groups?.[i],
    })),
    ...(wanted.idempotencyKey !== undefined && { idempotencyKey: wanted.idempotencyKey }),
    ...(wanted.resultsExpireAt !== undefined && { resultsExpireAt: wanted.resultsExpireAt }),
  });
  return id;
}

export async function attemptAt(
  { db }: Records,
  jobId: string,
  {
    attempt = 1,
    run = 1,
    activity = 'page',
    stage = 'work',
  }: { attempt?: number; run?: number; activity?: string; stage?: string } = {},
): Promise<Fence> {
  const opened = await openAttempt(db, {
    jobId,
    run,
    activity,
    attempt,
    stage,
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

type OfItem<A extends unknown[], R> = (
  db: Db,
  fence: Fence,
  stage: string,
  ordinal: number,
  ...more: A
) => Promise<R>;

/** The ledger's writes for one item. */
export const claimItem: OfItem<[], Claim | undefined> = async (db, fence, stage, ordinal) =>
  (await claimItems(db, fence, stage, [ordinal]))[0];
export const holdsItem: OfItem<[], boolean> = async (db, fence, stage, ordinal) =>
  (await heldItems(db, fence, stage, [ordinal])).has(ordinal);
export const publishItem: OfItem<[Publication, ((tx: Db) => Promise<void>)?], void> = (
  db,
  fence,
  stage,
  ordinal,
  publication,
  inSameTransaction,
) => endItems(db, fence, stage, [{ ordinal, state: 'succeeded', publication }], inSameTransaction);
export const failItem: OfItem<[ProblemRecord], void> = (db, fence, stage, ordinal, problem) =>
  endItems(db, fence, stage, [{ ordinal, state: 'failed', problem }]);
export const retryItem: OfItem<[ProblemRecord], void> = (db, fence, stage, ordinal, problem) =>
  endItems(db, fence, stage, [{ ordinal, state: 'pending', problem }]);

export const published = { inputDigest: 'd', resultUri: 's3://b/k', sha256: 'x', bytes: 1, reached: 1 };

/** Rows of the ledger that `work` reads and changes in a transaction. */
export async function ledgerRowsOf(
  db: Db,
  work: (tx: Db) => Promise<unknown>,
): Promise<{ read: number; changed: number }> {
  return db.transaction(async (tx) => {
    // What this session's transactions before have not reported yet counts, too.
    const before = await ledgerRowsSoFar(tx);
    await work(tx);
    const after = await ledgerRowsSoFar(tx);
    return { read: after.read - before.read, changed: after.changed - before.changed };
  });
}

async function ledgerRowsSoFar(tx: Db): Promise<{ read: number; changed: number }> {
  const { rows } = await tx.execute<{ read: number; changed: number }>(`
    select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int as read, n_tup_upd::int as changed
    from pg_stat_xact_user_tables where relname = 'job_items'`);
  return rows[0]!;
}

/** Runs a query under EXPLAIN ANALYZE; the most rows that a node of its plan took into its hands. */
export async function rowsReadBy(
  db: Db,
  query: { readonly sql: string; readonly params: readonly unknown[] },
): Promise<number> {
  const literal = query.sql.replace(/\$(\d+)/g, (_all, n) => `'${String(query.params[Number(n) - 1])}'`);
  const { rows } = await db.execute<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
    `explain (analyze, buffers, format json) ${literal}`,
  );
  return rowsRead(rows[0]!['QUERY PLAN'][0]!.Plan);
}

interface PlanNode {
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

function rowsRead(node: PlanNode): number {
  const own = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  return Math.max(own, ...(node.Plans ?? []).map(rowsRead));
}
