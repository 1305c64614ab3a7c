/** The tables of cutouts as answers to requests: the files, each made once however many ask for it, and the requests. */
import type { CutoutFacts, CutoutState, CutoutTimings, ProblemRecord } from '@darkroom/contract';
import { at } from '@darkroom/records/schema.ts';
import { sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  doublePrecision,
  index,
  jsonb,
  pgTable,
  real,
  text,
} from 'drizzle-orm/pg-core';

/** One row a distinct cutout: whoever makes the row has it made, whoever finds it waits for it or has its file. */
export const cutoutFiles = pgTable(
  'cutout_files',
  {
    /** SHA-256 of the request, of the survey's configuration and of the tiles as they are. */
    digest: text().primaryKey(),
    /** The work on it, anew whenever it is made anew; names the object, so that a late attempt touches no other's. */
    unit: text().notNull(),
    state: text().notNull().$type<'making' | 'succeeded' | 'failed' | 'doomed'>(),
    bytes: bigint({ mode: 'number' }),
    facts: jsonb().$type<CutoutFacts>(),
    problem: jsonb().$type<ProblemRecord>(),
    timings: jsonb().notNull().$type<CutoutTimings>().default({}),
    begunAt: at('begun_at').notNull().defaultNow(),
    /** Until when it is given to others that ask for the same; of one that is being made, when nobody makes it any more. */
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [index('cutout_files_by_expiry').on(t.expiresAt)],
);

/** One row a request, the refused ones too, and while somebody waits: what the estimates learn from, and what their owner may look up. */
export const cutouts = pgTable(
  'cutouts',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    owner: text().notNull(),
    state: text().notNull().$type<CutoutState>(),
    survey: text().notNull(),
    query: jsonb().notNull().$type<Record<string, string>>(),
    ra: doublePrecision(),
    dec: doublePrecision(),
    /** Null where nothing was to be made. */
    digest: text(),
    shared: boolean().notNull().default(false),
    bytes: bigint({ mode: 'number' }),
    seconds: real().notNull(),
    estimatedSeconds: real('estimated_seconds'),
    coverage: real(),
    timings: jsonb().notNull().$type<CutoutTimings>(),
    problem: jsonb().$type<ProblemRecord>(),
    traceId: text('trace_id'),
    acceptedAt: at('accepted_at').notNull(),
  },
  (t) => [
    index('cutouts_by_owner').on(t.owner, t.id),
    index('cutouts_running').on(t.acceptedAt).where(sql`state = 'running'`),
    // Rows lie in the order of their times.
    index('cutouts_by_time').using('brin', t.acceptedAt),
  ],
);
