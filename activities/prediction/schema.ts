/** The tables of predictions: rows of their own, beside those of jobs. */
import type { PredictionOutput, PredictionTimings, ProblemRecord } from '@darkroom/contract';
import { at, ofJob } from '@darkroom/records/schema.ts';
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  real,
  text,
} from 'drizzle-orm/pg-core';

/** Ids that a process takes at once: one question of Postgres for so many predictions. */
export const idsAtOnce = 100;

/** Each value is the first of a block of {@link idsAtOnce} ids. What a process has not used when it ends is never used. */
export const predictionIds = pgSequence('prediction_ids', { startWith: 1, increment: idsAtOnce, cache: 1 });

/**
 * One row a prediction, partitioned by month of `accepted_at` (the migration says so by hand: drizzle has no words for it), so that those
 * past their retention go as a table, not row by row.
 */
export const predictions = pgTable(
  'predictions',
  {
    id: bigint({ mode: 'number' }).notNull(),
    acceptedAt: at('accepted_at').notNull(),
    owner: text().notNull(),
    state: text().notNull().$type<'succeeded' | 'failed'>(),
    /** Class index. */
    result: integer(),
    label: text(),
    score: real(),
    output: jsonb().$type<PredictionOutput>(),
    problem: jsonb().$type<ProblemRecord>(),
    modelName: text('model_name').notNull(),
    modelVersion: text('model_version').notNull(),
    modelDigest: text('model_digest').notNull(),
    /** Name by which the version was chosen; null where the request named a version, or no alias was set. */
    alias: text(),
    /** Whether it was chosen as the canary of that alias. */
    canary: boolean().notNull().default(false),
    filename: text().notNull(),
    bytes: integer().notNull(),
    timings: jsonb().notNull().$type<PredictionTimings>(),
    traceId: text('trace_id'),
    finishedAt: at('finished_at').notNull().defaultNow(),
  },
  (t) => [
    // The time is in the key because a partitioned table's must have it; ids alone are distinct, too.
    primaryKey({ columns: [t.id, t.acceptedAt] }),
    index('predictions_by_owner').on(t.owner, t.id),
    // Few among many; and an owner's few that succeeded, where nearly all failed.
    index('predictions_failed').on(t.owner, t.id).where(sql`${t.state} = 'failed'`),
    index('predictions_succeeded').on(t.owner, t.id).where(sql`${t.state} = 'succeeded'`),
    // Rows lie in the order of their times: what is past its retention is found without reading the month.
    index('predictions_by_time').using('brin', t.acceptedAt),
  ],
);

/** Pictures that are kept: a row is there before its object is, and goes after it. */
export const predictionPictures = pgTable(
  'prediction_pictures',
  {
    predictionId: bigint('prediction_id', { mode: 'number' }).primaryKey(),
    /** Of the prediction. */
    acceptedAt: at('accepted_at').notNull(),
    contentType: text('content_type').notNull(),
    /** Whether the row of the prediction was seen; false while nobody has looked. */
    made: boolean().notNull().default(false),
    /** Since when it is to go. */
    doomedAt: at('doomed_at'),
  },
  (t) => [
    index('prediction_pictures_by_age').on(t.acceptedAt).where(sql`${t.doomedAt} is null`),
    index('prediction_pictures_unmade').on(t.acceptedAt).where(sql`not ${t.made} and ${t.doomedAt} is null`),
    index('prediction_pictures_doomed').on(t.doomedAt).where(sql`${t.doomedAt} is not null`),
  ],
);

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });

/** Outputs on their way from the worker to whoever waits for them: read once and gone, or gone after minutes. */
export const predictionOutputs = pgTable(
  'prediction_outputs',
  {
    predictionId: bigint('prediction_id', { mode: 'number' }).notNull(),
    /** In the order that they were asked for. */
    ordinal: integer().notNull(),
    name: text().notNull(),
    datatype: text().notNull(),
    shape: jsonb().notNull().$type<number[]>(),
    data: bytea().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.predictionId, t.ordinal] }),
    index('prediction_outputs_by_age').on(t.createdAt),
  ],
);

/** Which prediction an Idempotency-Key stands for: its id is given before it is made, so that a repetition makes the same one. */
export const predictionKeys = pgTable(
  'prediction_keys',
  {
    owner: text().notNull(),
    key: text().notNull(),
    /** SHA-256 of the request. */
    fingerprint: text().notNull(),
    predictionId: bigint('prediction_id', { mode: 'number' }).notNull(),
    acceptedAt: at('accepted_at').notNull(),
    /** When the prediction was deleted: it is not made again under this key. */
    deletedAt: at('deleted_at'),
  },
  (t) => [
    primaryKey({ columns: [t.owner, t.key] }),
    index('prediction_keys_by_age').on(t.acceptedAt),
    index('prediction_keys_by_prediction').on(t.predictionId),
  ],
);

/** What a model said of an item of a batch job: its state, problem and picture are in the ledger, its model is pinned with the job. */
export const jobPredictions = pgTable(
  'job_predictions',
  {
    jobId: ofJob(),
    ordinal: integer().notNull(),
    /** Class index; null where a detector found nothing. */
    result: integer(),
    label: text(),
    score: real(),
    output: jsonb().notNull().$type<PredictionOutput>(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.ordinal] })],
);
