/** Jobs: how they come in and how they are found. */
import { type KindDefinition, ProblemError } from '@darkroom/contract';
import { and, asc, desc, eq, gte, isNull, lt, lte, type SQL, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { bump } from './events.ts';
import type { JobRow, JobWithStages, StageRow } from './rows.ts';
import { byId, jobItems, jobStages, jobs } from './schema.ts';
import { codeOf, read, write } from './unavailable.ts';

export type Role = 'user' | 'operator' | 'admin';

/** On whose behalf a job runs. */
export interface Caller {
  readonly owner: string;
  readonly group: string | null;
  readonly role: Role;
  /** 1 (first) to 5. */
  readonly priority: number;
}

export interface NewJob {
  /** UUIDv7. */
  readonly id: string;
  readonly kind: KindDefinition;
  readonly caller: Caller;
  readonly input: Record<string, unknown>;
  readonly sourceJobId?: string | undefined;
  readonly rerunOf?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly traceId?: string | undefined;
}

/** Writes the row of a job whose request is still coming in, so that no object is without a row. */
export const createReceiving = write(async (db: Db, job: NewJob): Promise<JobRow> => {
  const { kind, caller } = job;
  return db.transaction(async (tx) => {
    const [row] = await tx
      .insert(jobs)
      .values({
        id: job.id,
        kind: kind.kind,
        state: 'receiving',
        owner: caller.owner,
        group: caller.group,
        role: caller.role,
        priority: caller.priority,
        input: job.input,
        sourceJobId: job.sourceJobId ?? null,
        rerunOf: job.rerunOf ?? null,
        traceparent: job.traceparent ?? null,
        traceId: job.traceId ?? null,
      })
      .returning();
    await tx.insert(jobStages).values(
      kind.stages.map(({ name, unit, weight }, ordinal) => ({
        jobId: job.id,
        name,
        unit,
        weight,
        ordinal,
      })),
    );
    return row!;
  });
});

/** Notes that a job is still being received: its upload goes on, however long, and the sweep leaves it. */
export const keepReceiving = write(async (db: Db, id: string): Promise<void> => {
  await db
    .update(jobs)
    .set({ updatedAt: sql`now()` })
    .where(and(eq(jobs.id, id), eq(jobs.state, 'receiving')));
});

export interface Submission {
  readonly id: string;
  readonly idempotencyKey?: string | undefined;
  /** SHA-256 of the canonical request. */
  readonly fingerprint: string;
  readonly input: Record<string, unknown>;
  /** The stage whose activity works on the items. */
  readonly stage: string;
  readonly items: readonly { readonly key: string; readonly input: object }[];
  readonly resultsExpireAt?: Date | undefined;
}

export type SubmissionOutcome =
  | { readonly outcome: 'accepted' }
  /** The same request came in before under this key. */
  | { readonly outcome: 'duplicate'; readonly jobId: string }
  /** Another request came in before under this key. */
  | { readonly outcome: 'key_reused'; readonly jobId: string };

/**
 * Makes a receiving job a queued one with its items, exactly once per owner and idempotency key.
 * What `record` writes stands or falls with it. Throws `conflict` when the job is not receiving any more (cancelled or swept meanwhile).
 */
export const commitSubmission = write(
  async (db: Db, submission: Submission, record?: (tx: Db) => Promise<void>): Promise<SubmissionOutcome> => {
    try {
      await db.transaction(async (tx) => {
        await accept(tx, submission);
        await record?.(tx);
      });
      return { outcome: 'accepted' };
    } catch (error) {
      if (codeOf(error) !== '23505' || submission.idempotencyKey === undefined) throw error;
      const mine = await getJobRow(db, submission.id);
      const first = mine && (await findByIdempotencyKey(db, mine.owner, submission.idempotencyKey));
      if (!first) throw error;
      const outcome = first.fingerprint === submission.fingerprint ? 'duplicate' : 'key_reused';
      return { outcome, jobId: first.id };
    }
  },
);

async function accept(tx: Db, submission: Submission): Promise<void> {
  const { id, stage, items } = submission;
  const accepted = await tx
    .update(jobs)
    .set({
      state: 'queued',
      run: 1,
      input: submission.input,
      idempotencyKey: submission.idempotencyKey ?? null,
      fingerprint: submission.fingerprint,
      resultsExpireAt: submission.resultsExpireAt ?? null,
    })
    .where(and(eq(jobs.id, id), eq(jobs.state, 'receiving'), isNull(jobs.deleteRequestedAt)))
    .returning({ id: jobs.id });
  if (accepted.length === 0) {
    throw new ProblemError('conflict', `Job ${id} is not receiving any more; submit it again.`);
  }
  for (let from = 0; from < items.length; from += itemsPerInsert) {
    const part = JSON.stringify(items.slice(from, from + itemsPerInsert));
    await tx.execute(sql`
      insert into ${jobItems} (job_id, stage, ordinal, key, input)
      select ${id}, ${stage}, ${from}::int + item.ordinality, item.value ->> 'key', item.value -> 'input'
      from jsonb_array_elements(${part}::jsonb) with ordinality as item`);
  }
  if (items.length > 0) {
    await tx
      .update(jobStages)
      .set({ total: items.length })
      .where(and(eq(jobStages.jobId, id), sameUnit(id, stage)));
  }
  await bump(tx, id, 'state', { state: 'queued', run: 1 });
}

/** Bounds the text of one statement; a task may have a hundred thousand items. */
const itemsPerInsert = 10_000;

/** Stages that count what the items of `stage` are. */
export const sameUnit = (jobId: string, stage: string): SQL =>
  sql`${jobStages.unit} = (select unit from job_stages s where s.job_id = ${jobId} and s.name = ${stage})`;

/** Removes the row of a job that is still receiving; false when there is none. */
export const abandonReceiving = write(async (db: Db, id: string): Promise<boolean> => {
  const gone = await db
    .delete(jobs)
    .where(and(eq(jobs.id, id), eq(jobs.state, 'receiving')))
    .returning({ id: jobs.id });
  return gone.length > 0;
});

/** The job an owner submitted under this key. */
export const findByIdempotencyKey = read(
  async (db: Db, owner: string, key: string): Promise<JobRow | undefined> => {
    const [row] = await db
      .select()
      .from(jobs)
      .where(and(eq(jobs.owner, owner), eq(jobs.idempotencyKey, key)));
    return row;
  },
);

/** The row of a job, a deleted one's tombstone included. */
export const getJobRow = read(async (db: Db, id: string): Promise<JobRow | undefined> => {
  const [row] = await db.select().from(jobs).where(eq(jobs.id, id));
  return row;
});

/** A job with its stages; undefined also from the moment its deletion was asked for. */
export const getJob = read(async (db: Db, id: string): Promise<JobWithStages | undefined> => {
  const rows = await db
    .select({ job: jobs, stage: jobStages })
    .from(jobs)
    .leftJoin(jobStages, eq(jobStages.jobId, jobs.id))
    .where(and(eq(jobs.id, id), isNull(jobs.deleteRequestedAt)))
    .orderBy(asc(jobStages.ordinal));
  const [first] = rows;
  return first && { job: first.job, stages: rows.flatMap(({ stage }) => stage ?? []) };
});

export interface JobFilter {
  /** Absent: everybody's, for operators. */
  readonly owner?: string | undefined;
  readonly kind?: string | undefined;
  readonly state?: string | undefined;
  /** Created at or after. */
  readonly from?: Date | undefined;
  /** Created at or before. */
  readonly to?: Date | undefined;
  readonly limit: number;
  /** Id of the last job of the page before. */
  readonly before?: string | undefined;
}

/** Jobs, newest first, a page by id: its cost does not depend on how many there are. */
export const listJobs = read(async (db: Db, filter: JobFilter): Promise<JobWithStages[]> => {
  const page = await jobsPage(db, filter);
  if (page.length === 0) return [];
  const ids = page.map(({ id }) => id).join(',');
  const stages = await db
    .select()
    .from(jobStages)
    .where(sql`${jobStages.jobId} = any(string_to_array(${ids}, ','))`)
    .orderBy(asc(jobStages.ordinal));
  const byJob = Map.groupBy(stages, (stage: StageRow) => stage.jobId);
  return page.map((job) => ({ job, stages: byJob.get(job.id) ?? [] }));
});

/** The query behind {@link listJobs}, to be run or explained. */
export function jobsPage(db: Db, { owner, kind, state, from, to, before, limit }: JobFilter) {
  const filtered = owner !== undefined || kind !== undefined || state !== undefined;
  const id = filtered ? sql`${jobs.id} collate "C"` : sql`${jobs.id}`;
  return db
    .select()
    .from(jobs)
    .where(
      and(
        isNull(jobs.deleteRequestedAt),
        owner === undefined ? undefined : eq(jobs.owner, owner),
        kind === undefined ? undefined : eq(jobs.kind, kind),
        state === undefined ? undefined : eq(jobs.state, state),
        from && gte(jobs.createdAt, from),
        from && gte(id, idAt(from.getTime() - clockSkewMs)),
        to && lte(jobs.createdAt, to),
        to && lt(id, idAt(to.getTime() + clockSkewMs)),
        before === undefined ? undefined : lt(id, before),
      ),
    )
    .orderBy(filtered ? byId(jobs.id) : desc(jobs.id))
    .limit(limit);
}

/** An id carries the clock of the api that made it, `created_at` that of Postgres. */
export const clockSkewMs = 60_000;

/** Where a UUIDv7 of that moment sorts (RFC 9562, section 5.7: 48 bits of milliseconds come first). */
export function idAt(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}
