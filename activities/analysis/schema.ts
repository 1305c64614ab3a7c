/** The tables of what analysis found, keyed by job; they hold no state of it. */
import type { Scene } from '@darkroom/contract';
import { at, ofJob } from '@darkroom/records/schema.ts';
import { index, integer, jsonb, pgTable, primaryKey, real, text } from 'drizzle-orm/pg-core';

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
