/** Jobs whose request is still coming in: their rows come first, stay while it goes on, and go where it is taken back. */
import { type KindDefinition, ProblemError } from '@darkroom/contract';
import { and, eq, isNotNull, isNull, sql } from 'drizzle-orm';
import { Fenced } from '../attempts/fence.ts';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { JobRow } from '../rows.ts';
import { jobStages, jobs } from '../schema.ts';

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
  /** Job whose input objects this one reads. */
  readonly sourceJobId?: string | undefined;
  readonly rerunOf?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly traceId?: string | undefined;
}

/**
 * Writes the row of a job whose request is still coming in, so that no object is without a row. Throws `not_found` when the job it
 * repeats, or whose inputs it reads, is to be deleted: the lock on that row decides between the two, so that no source is removed that a
 * new job begins to read.
 */
export const createReceiving = write(async (db: Db, job: NewJob): Promise<JobRow> => {
  const { kind, caller } = job;
  return db.transaction(async (tx) => {
    await holdSource(tx, job);
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
      kind.stages.map(({ name, unit, weight, itemsOf = '' }, ordinal) => ({
        jobId: job.id,
        name,
        unit,
        weight,
        ordinal,
        itemsOf,
      })),
    );
    return row!;
  });
});

/**
 * Locks the job that a new one repeats or whose inputs it reads. Throws `not_found` where it is to be deleted. What a repetition repeats may
 * itself read the inputs of a job that is gone, and keeps them.
 */
export async function holdSource(tx: Db, { rerunOf, sourceJobId }: Omit<NewJob, 'input'>): Promise<void> {
  const id = rerunOf ?? sourceJobId;
  if (id === undefined) return;
  const [row] = await tx
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(eq(jobs.id, id), isNull(jobs.deleteRequestedAt)))
    .for('share');
  if (row === undefined) throw new ProblemError('not_found', `There is no job ${id}.`);
}

/** Notes that a job is still being received: its upload goes on, however long, and the sweep leaves it. */
export const keepReceiving = write(async (db: Db, id: string): Promise<void> => {
  await db
    .update(jobs)
    .set({ updatedAt: sql`now()` })
    .where(and(eq(jobs.id, id), eq(jobs.state, 'receiving')));
});

/**
 * Takes back a job that is still receiving: from now on it cannot be submitted. Its objects go after this, and its row last, by
 * {@link removeAbandoned}. A repetition returns the job again; undefined when it is not receiving (any more).
 */
export const abandonReceiving = write(async (db: Db, id: string): Promise<JobRow | undefined> => {
  const [row] = await db
    .update(jobs)
    .set({ deleteRequestedAt: sql`coalesce(${jobs.deleteRequestedAt}, now())` })
    .where(and(eq(jobs.id, id), eq(jobs.state, 'receiving')))
    .returning();
  return row;
});

const abandoned = (id: string) =>
  and(eq(jobs.id, id), eq(jobs.state, 'receiving'), isNotNull(jobs.deleteRequestedAt));

/** Throws {@link Fenced} unless the job was taken back and its row is there: asked before each batch of deletes. */
export const assertAbandoned = read(async (db: Db, id: string): Promise<void> => {
  const [row] = await db.select({ id: jobs.id }).from(jobs).where(abandoned(id));
  if (row === undefined) throw new Fenced(`Job ${id} is not being taken back.`);
});

/** Removes the row of a job that was taken back. */
export const removeAbandoned = write(async (db: Db, id: string): Promise<void> => {
  await db.delete(jobs).where(abandoned(id));
});
