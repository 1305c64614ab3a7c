/** The tables of estimates: how often something ran, and its last runs. */
import { at } from '@darkroom/records/schema.ts';
import { bigint, doublePrecision, jsonb, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core';
import type { Features } from './model/fit.ts';
import type { Amount } from './model/model.ts';

/** What is estimated together: one row a kind and key. */
export const estimateKeys = pgTable(
  'estimate_keys',
  {
    kind: text().notNull(),
    key: text().notNull(),
    /** Runs that were ever noted. */
    runs: bigint({ mode: 'number' }).notNull(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.key] })],
);

/** The last runs of each: a ring, in which a run takes the place of the oldest one. */
export const estimateRuns = pgTable(
  'estimate_runs',
  {
    kind: text().notNull(),
    key: text().notNull(),
    /** `nth` modulo the length of the ring. */
    slot: smallint().notNull(),
    /** From 1. */
    nth: bigint({ mode: 'number' }).notNull(),
    features: jsonb().notNull().$type<Features>(),
    seconds: doublePrecision().notNull(),
    bytes: doublePrecision(),
    /** What its seconds had been estimated at; null where nobody had. */
    estimated: jsonb().$type<Amount>(),
    at: at('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.key, t.slot] })],
);
