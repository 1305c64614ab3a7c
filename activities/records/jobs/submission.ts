/** How requests become queued jobs, once per idempotency key. */
import { type JobEstimate, ProblemError, type Size } from '@darkroom/contract';
import { and, eq, isNotNull, isNull, type SQL, sql } from 'drizzle-orm';
import { countsItemsOf } from '../attempts/progress.ts';
import { bump, jobsChannel } from '../feed/events.ts';
import type { Db } from '../postgres/connection.ts';
import { codeOf, OutcomeUnknown, read, write } from '../postgres/unavailable.ts';
import type { JobRow } from '../rows.ts';
import { jobEvents, jobItems, jobStages, jobs } from '../schema.ts';
import { getJobRow } from './jobs.ts';
import { lockJob } from './lifecycle.ts';
import { holdSource, type NewJob } from './receiving.ts';
import type { CopiedItems } from './rerun.ts';

export interface Submission {
  readonly id: string;
  readonly idempotencyKey?: string | undefined;
  /** SHA-256 of the canonical request. */
  readonly fingerprint: string;
  readonly input: Record<string, unknown>;
  /** The stage whose activity works on the items, or on its own input. */
  readonly stage: string;
  readonly items: readonly SubmittedItem[] | CopiedItems;
  /** What the stage is made of, where it has no items. */
  readonly stageInput?: object | undefined;
  readonly resultsExpireAt?: Date | undefined;
  /** What the items add to the size of the job. */
  readonly size?: Size | undefined;
  readonly estimate?: JobEstimate | undefined;
}

export interface SubmittedItem {
  readonly key: string;
  readonly input: object;
  /** Items of a group follow one another. */
  readonly group?: string | null | undefined;
}

export type SubmissionOutcome =
  | { readonly outcome: 'accepted' }
  /** The same request came in before under this key. */
  | { readonly outcome: 'duplicate'; readonly jobId: string }
  /** Another request came in before under this key. */
  | { readonly outcome: 'key_reused'; readonly jobId: string }
  /** The job of this key was deleted. */
  | { readonly outcome: 'key_deleted'; readonly jobId: string; readonly deletedAt: Date };

/**
 * Makes a receiving job a queued one with its items, exactly once per owner and idempotency key.
 * What `record` writes stands or falls with it. Throws `conflict` when the job is not receiving any more (cancelled or swept meanwhile).
 * Where Postgres did not answer the COMMIT, the row is asked what became of it: `records_unavailable` means that it was not accepted,
 * `outcome_unknown` that the row could not be asked either, so that nothing of the job may be taken back.
 */
export const commitSubmission = (
  db: Db,
  submission: Submission,
  record?: (tx: Db) => Promise<void>,
): Promise<SubmissionOutcome> =>
  decided(db, submission, async (tx) => {
    await accept(tx, submission);
    await record?.(tx);
  });

/**
 * The same for a job whose request brings no objects, and that needs no row before: one transaction makes it. Throws `not_found` like
 * {@link holdSource}.
 */
export const submitJob = (
  db: Db,
  job: Omit<NewJob, 'input'>,
  submission: Submission,
  record?: (tx: Db) => Promise<void>,
): Promise<SubmissionOutcome> =>
  decided(
    db,
    submission,
    async (tx) => {
      await holdSource(tx, job);
      await insertQueued(tx, job, submission);
      await record?.(tx);
    },
    job.caller.owner,
  );

async function decided(
  db: Db,
  submission: Submission,
  work: (tx: Db) => Promise<void>,
  owner?: string,
): Promise<SubmissionOutcome> {
  try {
    return await commitOnce(db, submission, work, owner);
  } catch (error) {
    if (!(error instanceof OutcomeUnknown)) throw error;
    const { id, fingerprint } = submission;
    const row = await lockedRow(db, id).catch((cause: unknown) => {
      const detail = `Postgres did not say whether job ${id} was accepted. Ask for it, or send the request again with the same Idempotency-Key.`;
      throw new ProblemError('outcome_unknown', detail, { cause });
    });
    if (row === undefined || row.run === 0 || row.fingerprint !== fingerprint) throw error;
    return { outcome: 'accepted' };
  }
}

/**
 * The row once no transaction that was making or changing it is open any more, in whatever session: what was being committed is decided
 * then. A row that is being made can be locked by nobody yet: its id is.
 */
const lockedRow = write(
  async (db: Db, id: string): Promise<JobRow | undefined> =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select ${lockOfNew(id)}`);
      return await lockJob(tx, id);
    }),
);

const lockOfNew = (id: string): SQL => sql`pg_advisory_xact_lock(hashtextextended(${id}, 0))`;

/** Looks at the first job of a key this often where it is gone when looked for: the key was given back meanwhile. */
const mostKeyTries = 5;

const commitOnce = write(
  async (
    db: Db,
    submission: Submission,
    work: (tx: Db) => Promise<void>,
    owner?: string,
  ): Promise<SubmissionOutcome> => {
    for (let tries = 1; ; tries++) {
      try {
        await db.transaction(work);
        return { outcome: 'accepted' };
      } catch (error) {
        if (codeOf(error) !== '23505' || submission.idempotencyKey === undefined) throw error;
        const whose = owner ?? (await getJobRow(db, submission.id))?.owner;
        const first =
          whose === undefined ? undefined : await findByIdempotencyKey(db, whose, submission.idempotencyKey);
        if (!first) {
          if (whose === undefined || tries >= mostKeyTries) throw error;
          continue;
        }
        const { id: jobId, deleteRequestedAt: deletedAt } = first;
        if (deletedAt !== null) return { outcome: 'key_deleted', jobId, deletedAt };
        const outcome = first.fingerprint === submission.fingerprint ? 'duplicate' : 'key_reused';
        return { outcome, jobId };
      }
    }
  },
);

/** Everything of a queued job in one statement; its first event too, which wakes those who follow it. */
async function insertQueued(tx: Db, job: Omit<NewJob, 'input'>, submission: Submission): Promise<void> {
  const { id, kind, caller } = job;
  const { stage, items } = submission;
  const stages = kind.stages.map((each, ordinal) => ({
    name: each.name,
    unit: each.unit,
    weight: each.weight,
    ordinal,
    items_of: each.itemsOf ?? '',
    size: each.name === stage ? submission.size : undefined,
    total: each.itemsOf === stage && items.length > 0 ? items.length : null,
    input: each.name === stage ? submission.stageInput : undefined,
  }));
  await tx.execute(sql`
    with job as (
      insert into ${jobs} (id, kind, state, owner, group_name, role, priority, input, source_job_id, rerun_of, traceparent, trace_id,
                           idempotency_key, fingerprint, results_expire_at, estimate, run, version)
      values (${id}, ${kind.kind}, 'queued', ${caller.owner}, ${caller.group}::text, ${caller.role}, ${caller.priority}::smallint,
              ${JSON.stringify(submission.input)}::jsonb, ${job.sourceJobId ?? null}::text, ${job.rerunOf ?? null}::text,
              ${job.traceparent ?? null}::text, ${job.traceId ?? null}::text, ${submission.idempotencyKey ?? null}::text,
              ${submission.fingerprint}, ${submission.resultsExpireAt?.toISOString() ?? null}::timestamptz,
              ${submission.estimate ? JSON.stringify(submission.estimate) : null}::jsonb, 1, 1)
      returning id
    ), staged as (
      insert into ${jobStages} (job_id, name, unit, weight, ordinal, items_of, size, total, input)
      select job.id, stage.* from job, jsonb_to_recordset(${JSON.stringify(stages)}::jsonb)
        as stage (name text, unit text, weight real, ordinal smallint, items_of text, size jsonb, total int, input jsonb)
    ), itemised as (${itemsInsert(id, stage, items, 0)}
    ), event as (
      insert into ${jobEvents} (job_id, id, type, data) select id, 1, 'state', '{"state": "queued", "run": 1}'::jsonb from job
    )
    select pg_notify(${jobsChannel}, id), ${lockOfNew(id)} from job`);
  await insertItems(tx, id, stage, items, itemsPerInsert);
}

/** Items from the `from`th on, numbered in their order from 1. */
async function insertItems(
  tx: Db,
  id: string,
  stage: string,
  items: Submission['items'],
  from: number,
): Promise<void> {
  for (let next = from; next < items.length; next += itemsPerInsert) {
    await tx.execute(itemsInsert(id, stage, items, next));
  }
}

/** The next items behind the first `before`. */
const itemsInsert = (id: string, stage: string, items: Submission['items'], before: number): SQL =>
  'copyOf' in items
    ? sql`
  insert into ${jobItems} (job_id, stage, ordinal, key, input, group_name)
  select ${id}, ${stage}, item.ordinal, item.key, item.input, item.group_name from ${jobItems} as item
  where item.job_id = ${items.copyOf} and item.stage = ${items.stage}
    and item.ordinal > ${before}::int and item.ordinal <= ${before + itemsPerInsert}::int`
    : sql`
  insert into ${jobItems} (job_id, stage, ordinal, key, input, group_name)
  select ${id}, ${stage}, ${before}::int + item.ordinality, item.value ->> 'key', item.value -> 'input', item.value ->> 'group'
  from jsonb_array_elements(${JSON.stringify(items.slice(before, before + itemsPerInsert))}::jsonb) with ordinality as item`;

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
      estimate: submission.estimate ?? null,
    })
    .where(and(eq(jobs.id, id), eq(jobs.state, 'receiving'), isNull(jobs.deleteRequestedAt)))
    .returning({ id: jobs.id });
  if (accepted.length === 0) {
    throw new ProblemError('conflict', `Job ${id} is not receiving any more; submit it again.`);
  }
  await insertItems(tx, id, stage, items, 0);
  if (submission.stageInput !== undefined) {
    await tx
      .update(jobStages)
      .set({ input: submission.stageInput })
      .where(and(eq(jobStages.jobId, id), eq(jobStages.name, stage)));
  }
  if (items.length > 0) {
    await tx
      .update(jobStages)
      .set({ total: items.length })
      .where(and(eq(jobStages.jobId, id), countsItemsOf(id, stage)));
  }
  if (submission.size !== undefined) {
    await tx
      .update(jobStages)
      .set({ size: submission.size })
      .where(and(eq(jobStages.jobId, id), eq(jobStages.name, stage)));
  }
  await bump(tx, id, 'state', { state: 'queued', run: 1 });
}

/** Bounds the text of one statement; a job may have a hundred thousand items. */
const itemsPerInsert = 10_000;

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

/** Lets a deleted job's idempotency key be used again. */
export const releaseIdempotencyKey = write(async (db: Db, id: string): Promise<void> => {
  await db
    .update(jobs)
    .set({ idempotencyKey: null })
    .where(and(eq(jobs.id, id), isNotNull(jobs.deleteRequestedAt)));
});
