/** The tables of what analysis found, keyed by job; they hold no state of it. */
import type { ModelService, OpenedModel, ProblemRecord, SandboxReport, Scene } from '@darkroom/contract';
import { at, ofJob } from '@darkroom/records/schema.ts';
import { boolean, index, integer, jsonb, pgTable, primaryKey, real, text } from 'drizzle-orm/pg-core';

export const tasks = pgTable('tasks', {
  jobId: ofJob().primaryKey(),
  media: text().notNull(),
  segments: integer().notNull(),
  modelName: text('model_name'),
  modelVersion: text('model_version'),
  modelDigest: text('model_digest'),
  scoreThreshold: real('score_threshold').notNull(),
});

export const taskSegments = pgTable(
  'task_segments',
  {
    jobId: ofJob(),
    segmentId: integer('segment_id').notNull(),
    owner: text().notNull(),
    filename: text().notNull(),
    sourceUri: text('source_uri').notNull(),
    width: integer().notNull(),
    height: integer().notNull(),
    /** Of a video; null for a photo. */
    scene: jsonb().$type<Scene>(),
    imageUri: text('image_uri'),
    annotatedUri: text('annotated_uri'),
    resultUri: text('result_uri').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.segmentId] }),
    index('task_segments_by_owner').on(t.owner, t.jobId.desc(), t.segmentId.desc()),
  ],
);

export const recognitionResults = pgTable(
  'recognition_results',
  {
    jobId: ofJob(),
    segmentId: integer('segment_id').notNull(),
    ordinal: integer().notNull(),
    owner: text().notNull(),
    label: text().notNull(),
    /** In the model's own list; null in rows of before. */
    classId: integer('class_id'),
    score: real().notNull(),
    x: real().notNull(),
    y: real().notNull(),
    width: real().notNull(),
    height: real().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.jobId, t.segmentId, t.ordinal] }),
    index('recognition_by_label').on(t.owner, t.label, t.jobId.desc(), t.segmentId.desc()),
    index('recognition_by_label_score').on(t.owner, t.label, t.score.desc()),
  ],
);

/** How models that workers have opened are understood. Rows stay: exports of tasks that were analysed with them read them. */
export const modelVersions = pgTable(
  'model_versions',
  {
    name: text().notNull(),
    version: text().notNull(),
    /** Of the model file and of its card. */
    digest: text().notNull(),
    family: text().notNull(),
    guessed: boolean().notNull(),
    understood: text().notNull(),
    labels: jsonb().notNull().$type<OpenedModel['labels']>(),
    input: jsonb().notNull().$type<OpenedModel['input']>(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.name, t.version, t.digest] })],
);

/** What each worker has open, where it recognises, and what its processes are held by. */
export const modelWorkers = pgTable('model_workers', {
  /** Host and process, and of what it serves beside recognition. */
  worker: text().primaryKey(),
  serves: text().notNull().default('recognition').$type<ModelService>(),
  /** How many processes of the worker work with it. */
  lanes: integer().notNull().default(1),
  /** Null where it has none. */
  modelName: text('model_name'),
  modelVersion: text('model_version'),
  modelDigest: text('model_digest'),
  /** Why it has none; null as well where it does not recognise. */
  problem: jsonb().$type<ProblemRecord>(),
  /** Null where it has not told. */
  sandbox: jsonb().$type<SandboxReport>(),
  /** When it last said that it lives. */
  seenAt: at('seen_at').notNull().defaultNow(),
});
