/**
 * The records. State of a job lives in `jobs` alone; `job_items` is the ledger behind counts, resume,
 * partial success and the manifest.
 */
import type { JobEstimate, ManifestFile, ProblemRecord, Size } from '@darkroom/contract';
import { sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  bigint,
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  real,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';

/** A moment, to the millisecond as JavaScript has it. */
export const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });

/**
 * Order of the lists that are filtered. Another collation than the primary key's, so that Postgres cannot choose to walk
 * that key through the jobs of all owners in search of one's; ids sort the same in both.
 */
export const byId = (id: AnyPgColumn) => sql`${id} collate "C" desc`;

/** The order of a round over rows that another index finds, without walking the primary key through all the others. */
export const inOrder = (id: AnyPgColumn) => sql`${id} collate "C"`;
export const isAfter = (id: AnyPgColumn, after: string) => sql`${id} collate "C" > ${after}`;

/** A file of an item, as the manifest lists it. */
export type ItemFile = Omit<ManifestFile, 'item'>;

/** Where an item stands in its job, where they are gone through by stages. */
export interface ItemPlace {
  readonly stage: string;
  readonly ordinal: number;
}

export const jobs = pgTable(
  'jobs',
  {
    /** UUIDv7: its text sorts by creation. Also the workflow id. */
    id: text().primaryKey(),
    kind: text().notNull(),
    state: text().notNull(),
    owner: text().notNull(),
    group: text('group_name'),
    role: text().notNull(),
    /** 1 (first) to 5. */
    priority: smallint().notNull(),
    idempotencyKey: text('idempotency_key'),
    /** SHA-256 of the canonical request, its files' digests included. */
    fingerprint: text(),
    input: jsonb().notNull().$type<Record<string, unknown>>(),
    /** What it was estimated at when its size became known; null before, and where its kind is not estimated. */
    estimate: jsonb().$type<JobEstimate>(),
    /** Version of the model or program, pinned by the first attempt that works on the job. */
    pinned: jsonb().$type<Record<string, unknown>>(),
    /** Job whose input objects this one reads (rerun); null for its own. */
    sourceJobId: text('source_job_id'),
    rerunOf: text('rerun_of'),
    /** Fencing counter: raised by each submit and resume; an older one loses. */
    run: integer().notNull().default(0),
    /** Last claim given to an attempt; claims order attempts within a run. */
    claims: bigint({ mode: 'number' }).notNull().default(0),
    /**
     * Claim of whoever ends the run without having published it; null while its attempts may write. It is set before what they left
     * unfinished is removed, so that none of them publishes meanwhile.
     */
    endingClaim: bigint('ending_claim', { mode: 'number' }),
    /** Raised by each change somebody may follow; the id of the event that tells of it. */
    version: bigint({ mode: 'number' }).notNull().default(0),
    /**
     * The item up to which a run that was queued again has its items as if nobody had tried them; null once all are: it is not started
     * before.
     */
    resetAfter: jsonb('reset_after').$type<ItemPlace>(),
    /** Whether the engine was told to start this run. */
    dispatched: boolean().notNull().default(false),
    waiting: text(),
    warnings: integer().notNull().default(0),
    /** Files that the results list; null before the end, and where the job ended when its own files had no rows yet. */
    files: integer(),
    problem: jsonb().$type<ProblemRecord>(),
    result: jsonb().$type<Record<string, unknown>>(),
    cancelRequestedAt: at('cancel_requested_at'),
    cancelReason: text('cancel_reason'),
    cancelDispatched: boolean('cancel_dispatched').notNull().default(false),
    deleteRequestedAt: at('delete_requested_at'),
    /** Set when objects and rows of the job were proven gone; the row stays as a tombstone. */
    deletedAt: at('deleted_at'),
    traceparent: text(),
    traceId: text('trace_id'),
    logBytes: integer('log_bytes').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    finishedAt: at('finished_at'),
    resultsExpireAt: at('results_expire_at'),
    /** Set before the results' objects go: from then on nobody reads them or resumes the job. */
    resultsRemovedAt: at('results_removed_at'),
    /** Set when those objects were proven gone. */
    resultsPurgedAt: at('results_purged_at'),
  },
  (t) => [
    uniqueIndex('jobs_owner_idempotency')
      .on(t.owner, t.idempotencyKey)
      .where(sql`${t.idempotencyKey} is not null`),
    index('jobs_by_owner').on(t.owner, byId(t.id)).where(sql`${t.deleteRequestedAt} is null`),
    index('jobs_by_owner_state').on(t.owner, t.state, byId(t.id)).where(sql`${t.deleteRequestedAt} is null`),
    index('jobs_by_state').on(t.state, byId(t.id)).where(sql`${t.deleteRequestedAt} is null`),
    index('jobs_by_owner_kind').on(t.owner, t.kind, byId(t.id)).where(sql`${t.deleteRequestedAt} is null`),
    index('jobs_by_kind').on(t.kind, byId(t.id)).where(sql`${t.deleteRequestedAt} is null`),
    // The order in which the sweep goes round.
    index('jobs_open_by_id')
      .on(t.id)
      .where(sql`${t.state} in ('receiving', 'queued', 'running', 'cancelling')`),
    // Without what was deleted before it expired: those rows stay.
    index('jobs_expiring')
      .on(t.resultsExpireAt)
      .where(
        sql`${t.resultsExpireAt} is not null and ${t.resultsRemovedAt} is null and ${t.deleteRequestedAt} is null`,
      ),
    index('jobs_purging')
      .on(t.resultsRemovedAt)
      .where(
        sql`${t.resultsRemovedAt} is not null and ${t.resultsPurgedAt} is null and ${t.deleteRequestedAt} is null`,
      ),
    index('jobs_deleting')
      .on(t.deleteRequestedAt)
      .where(sql`${t.deleteRequestedAt} is not null and ${t.deletedAt} is null`),
    index('jobs_source_job').on(t.sourceJobId).where(sql`${t.sourceJobId} is not null`),
  ],
);

/** The job that a row belongs to. */
export const ofJob = () =>
  text('job_id')
    .notNull()
    .references(() => jobs.id, { onDelete: 'cascade' });

/** When somebody who knows said that the engine has lost its runs; what ran before may be queued again, however many. */
export const lostRunConfirmations = pgTable('lost_run_confirmations', {
  id: bigserial({ mode: 'number' }).primaryKey(),
  at: at('at').notNull().defaultNow(),
  /** Who said so. */
  by: text('confirmed_by').notNull(),
});

export const jobStages = pgTable(
  'job_stages',
  {
    jobId: ofJob(),
    name: text().notNull(),
    ordinal: smallint().notNull(),
    /** The stage whose items this one counts, '' where it counts none; null in rows of before, which go by equal units. */
    itemsOf: text('items_of'),
    unit: text().notNull(),
    weight: real().notNull(),
    state: text().notNull().default('pending'),
    done: integer().notNull().default(0),
    failed: integer().notNull().default(0),
    total: integer(),
    /** What the items of this stage add to the size of the job, by what its kind measures; null where there are none. */
    size: jsonb().$type<Size>(),
    /** Units that were done already when this run began; the rate of the run does not count them. */
    resumedFrom: integer('resumed_from').notNull().default(0),
    queueMs: bigint('queue_ms', { mode: 'number' }).notNull().default(0),
    workMs: bigint('work_ms', { mode: 'number' }).notNull().default(0),
    attempts: integer().notNull().default(0),
    startedAt: at('started_at'),
    finishedAt: at('finished_at'),
    /** What a stage without items is made of, as the kind pinned it at submit. */
    input: jsonb().$type<object>(),
    /** What a stage without items came to, as JSON; null until it is done. */
    result: jsonb().$type<unknown>(),
    /** SHA-256 of what the result is a function of; what a resume compares. */
    digest: text(),
    /** URIs of objects that the result names, and the checkpoint that it came of; kept while it may still be of use. */
    objects: jsonb().$type<readonly string[]>(),
    /** When a worker that is at it last said that it lives: a timer of its process does. */
    aliveAt: at('alive_at'),
    /** When its work last said that it got on. */
    movedAt: at('moved_at'),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.name] })],
);

export const jobItems = pgTable(
  'job_items',
  {
    jobId: ofJob(),
    /** The stage whose activity works on the item. */
    stage: text().notNull(),
    /** Order of the item within its stage, from 1. */
    ordinal: integer().notNull(),
    key: text().notNull(),
    /** What belongs together: its items follow one another, and lie in pages of their own. */
    group: text('group_name'),
    /** What the item is made of, as the kind pinned it at submit. */
    input: jsonb().notNull().$type<object>(),
    /** SHA-256 of canonical parameters, source etag, model or program version; what a resume compares. */
    inputDigest: text('input_digest'),
    /** URIs among the job's own outputs that the item is made of; kept while it may still be worked on. */
    needs: jsonb().$type<string[]>(),
    state: text().notNull().default('pending'),
    /** Ordinal of the last stage the item has been through; never falls, so that percent does not. */
    reached: smallint().notNull().default(-1),
    /** What the counts of the stages hold of the item: `reached`, or `countedAsFailed`. */
    counted: smallint().notNull().default(-1),
    resultUri: text('result_uri'),
    sha256: text(),
    bytes: bigint({ mode: 'number' }),
    /** Files of the item for the manifest: `[{path, uri, bytes, sha256, contentType}]`. */
    files: jsonb().$type<ItemFile[]>(),
    run: integer().notNull().default(0),
    claim: bigint({ mode: 'number' }).notNull().default(0),
    /** Attempts at this item in this run. */
    attempt: integer().notNull().default(0),
    /** Attempts whose process died under the item in this run. */
    deaths: integer().notNull().default(0),
    /** Of a suspect: whether nothing else has been in hand in its process since it was claimed; null of others, and in rows of before. */
    alone: boolean(),
    problem: jsonb().$type<ProblemRecord>(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.stage, t.ordinal] }),
    // The stage last: after the job it would look as good as the primary key to a planner without statistics.
    unique('job_items_key').on(t.jobId, t.key, t.stage),
    // In the order in which they are listed. No index has a column that changes while items are worked on: their updates are HOT.
    index('job_items_in_order').on(t.jobId, t.ordinal, t.stage),
  ],
);

/** Files of the job itself, in the order of its manifest; those of items are with the items. */
export const jobFiles = pgTable(
  'job_files',
  {
    jobId: ofJob(),
    /** From 1. */
    ordinal: integer().notNull(),
    path: text().notNull(),
    uri: text().notNull(),
    bytes: bigint({ mode: 'number' }).notNull(),
    sha256: text().notNull(),
    crc32: bigint({ mode: 'number' }),
    contentType: text('content_type').notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.ordinal] })],
);

/** Where a stage that finds items stands: what a later attempt or run goes on from. */
export const jobCheckpoints = pgTable(
  'job_checkpoints',
  {
    jobId: ofJob(),
    stage: text().notNull(),
    /** The stage whose items it finds. Null where it finds none, and in rows of before, which may have found some. */
    itemStage: text('item_stage'),
    /** SHA-256 of what the stage's findings are a function of; another one makes the checkpoint worthless. */
    digest: text().notNull(),
    /** The kind's own; null before the first. */
    cursor: jsonb().$type<object>(),
    /** URIs of objects that the cursor names. */
    objects: jsonb().$type<readonly string[]>(),
    /** Items found so far: the last one's ordinal. */
    found: integer().notNull().default(0),
    done: boolean().notNull().default(false),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.stage] })],
);

/** One row an attempt of an activity: what a fenced write is checked against, and the durations the stages sum up. */
export const jobAttempts = pgTable(
  'job_attempts',
  {
    jobId: ofJob(),
    run: integer().notNull(),
    /** Temporal run id and activity id. */
    activity: text().notNull(),
    attempt: integer().notNull(),
    stage: text().notNull(),
    claim: bigint({ mode: 'number' }).notNull(),
    worker: text().notNull(),
    outcome: text(),
    queueMs: bigint('queue_ms', { mode: 'number' }).notNull().default(0),
    workMs: bigint('work_ms', { mode: 'number' }),
    startedAt: at('started_at').notNull().defaultNow(),
    finishedAt: at('finished_at'),
    problem: jsonb().$type<ProblemRecord>(),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.run, t.activity, t.attempt] }),
    // What workers have in hand: a few, however many attempts there were.
    index('job_attempts_open').on(t.jobId).where(sql`${t.finishedAt} is null`),
  ],
);

export const jobEvents = pgTable(
  'job_events',
  {
    jobId: ofJob(),
    /** The job's version that this event made. */
    id: bigint({ mode: 'number' }).notNull(),
    /** `state`, `progress`, `item` or `log`. */
    type: text().notNull(),
    data: jsonb().notNull().$type<Record<string, unknown>>(),
    at: at('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.id] })],
);

export const jobLogs = pgTable(
  'job_logs',
  {
    jobId: ofJob(),
    id: bigserial({ mode: 'number' }).notNull(),
    at: at('at').notNull().defaultNow(),
    run: integer().notNull(),
    stage: text(),
    level: text().notNull(),
    attempt: integer(),
    line: text().notNull(),
    traceId: text('trace_id'),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.id] })],
);

export const apiKeys = pgTable('api_keys', {
  id: text().primaryKey(),
  /** First characters of the key, to tell keys apart in a list. */
  prefix: text().notNull(),
  /** SHA-256 of the key (32 random bytes need no slow hash), hex. */
  hash: text().notNull().unique(),
  owner: text().notNull(),
  group: text('group_name'),
  role: text().notNull(),
  priority: smallint().notNull(),
  createdAt: at('created_at').notNull().defaultNow(),
  lastUsedAt: at('last_used_at'),
  revokedAt: at('revoked_at'),
});

export const uploads = pgTable(
  'uploads',
  {
    id: text().primaryKey(),
    owner: text().notNull(),
    filename: text().notNull(),
    key: text().notNull(),
    bytes: bigint({ mode: 'number' }).notNull(),
    partBytes: bigint('part_bytes', { mode: 'number' }).notNull(),
    multipartId: text('multipart_id'),
    /** `open`, `complete`, `used` or `removed`. */
    state: text().notNull().default('open'),
    etag: text(),
    createdAt: at('created_at').notNull().defaultNow(),
    completedAt: at('completed_at'),
    /** When nothing of a used or removed upload was left in the store. */
    emptiedAt: at('emptied_at'),
  },
  (t) => [
    index('uploads_by_state').on(t.state, t.createdAt),
    index('uploads_open').on(t.owner).where(sql`${t.state} = 'open'`),
    index('uploads_with_objects').on(t.createdAt).where(sql`${t.emptiedAt} is null`),
  ],
);

/** Attempts at units of work that the engine does not count: see unit-attempts.ts. */
export const unitAttempts = pgTable('unit_attempts', {
  id: text().primaryKey(),
  attempts: integer().notNull(),
  at: at('at').notNull().defaultNow(),
});
