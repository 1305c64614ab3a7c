/** The tables of cutouts as jobs: the files of the survey that a job is made of, as they were planned, and what is told of its cutouts. */
import type { CutoutFacts, PlaneKind } from '@darkroom/contract';
import { ofJob } from '@darkroom/records/schema.ts';
import { integer, jsonb, pgTable, primaryKey, real, text } from 'drizzle-orm/pg-core';
import type { PinnedFile } from '../survey/choose.ts';

/** One band of a tile that a job reads. An index of the survey that is made meanwhile changes nothing here. */
export const cutoutTiles = pgTable(
  'job_cutout_tiles',
  {
    jobId: ofJob(),
    survey: text().notNull(),
    tile: text().notNull(),
    band: text().notNull(),
    planes: jsonb().notNull().$type<Partial<Record<PlaneKind, PinnedFile>>>(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.survey, t.tile, t.band] })],
);

/** One row a cutout that was made, beside its item. */
export const jobCutouts = pgTable(
  'job_cutouts',
  {
    jobId: ofJob(),
    ordinal: integer().notNull(),
    facts: jsonb().notNull().$type<CutoutFacts>(),
    /** What making its file took; 0 where another row's file is its own, too. */
    seconds: real().notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.ordinal] })],
);
