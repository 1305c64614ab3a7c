/** The tables of models: what workers have opened, what is registered, and which names stand for which versions. */
import type {
  ModelService,
  ModelTensors,
  OpenedModel,
  ProblemRecord,
  SandboxReport,
} from '@darkroom/contract';
import { at } from '@darkroom/records/schema.ts';
import { sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from 'drizzle-orm/pg-core';

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
    /** Null where a worker of before has told of it. */
    tensors: jsonb().$type<ModelTensors>(),
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

/** Versions that can be opened by any worker: what was registered, and what workers have of their own. */
export const registeredVersions = pgTable(
  'registered_versions',
  {
    name: text().notNull(),
    version: text().notNull(),
    /** Of the model file and of its card, as `model_versions` has it. */
    digest: text().notNull(),
    /** SHA-256 of the file alone, which its object is called by. */
    sha256: text().notNull(),
    bytes: bigint({ mode: 'number' }).notNull(),
    card: jsonb().notNull().$type<Record<string, unknown>>(),
    /** Key of the file in the platform's bucket. */
    object: text().notNull(),
    /** What it can be opened for. */
    serves: text().array().notNull().$type<ModelService[]>(),
    state: text().notNull().default('candidate').$type<VersionState>(),
    /** Why it failed. */
    problem: jsonb().$type<ProblemRecord>(),
    /** Whether workers are to hold it open. What a living worker has of its own is held besides, as long as that worker lives. */
    wanted: boolean().notNull().default(false),
    /** Whether a worker registered it, of its own configuration: another file of that name and version takes its place. */
    own: boolean().notNull().default(false),
    /** Trials that were begun since it became a candidate, and until when nobody else begins one. */
    trials: integer().notNull().default(0),
    tryUntil: at('try_until'),
    /** The owner of the key, or the worker whose own it is. */
    registeredBy: text('registered_by').notNull(),
    registeredAt: at('registered_at').notNull().defaultNow(),
    changedAt: at('changed_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.name, t.version] }),
    index('registered_versions_by_file').on(t.sha256),
    check('registered_versions_failed', sql`not (${t.wanted} and ${t.state} = 'failed')`),
  ],
);

/** `candidate`: still to be tried. */
export type VersionState = 'candidate' | 'ready' | 'failed';

/** What each worker says of each version that it holds open, opens, or could not open. */
export const modelConfirmations = pgTable(
  'model_confirmations',
  {
    worker: text().notNull(),
    serves: text().notNull().$type<ModelService>(),
    name: text().notNull(),
    version: text().notNull(),
    digest: text().notNull(),
    /** How many processes of the worker work with it at most. */
    lanes: integer().notNull().default(0),
    /** Whether it is what the worker was configured with. */
    own: boolean().notNull().default(false),
    state: text().notNull().$type<ConfirmationState>(),
    problem: jsonb().$type<ProblemRecord>(),
    /** When the worker last said so. */
    seenAt: at('seen_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.worker, t.serves, t.name, t.version] })],
);

export type ConfirmationState = 'opening' | 'ready' | 'failed';

/** Names that stand for a version of a model, each as it stands and as it stood before the last change. */
export const modelAliases = pgTable(
  'model_aliases',
  {
    name: text().notNull(),
    alias: text().notNull(),
    version: text().notNull(),
    /** Gets `canary_share` of the requests, above 0 and below 1, instead. */
    canaryVersion: text('canary_version'),
    canaryShare: doublePrecision('canary_share'),
    previous: jsonb().$type<AliasTarget>(),
    changedBy: text('changed_by').notNull(),
    changedAt: at('changed_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.name, t.alias] }),
    // A version that a name stands for cannot be removed.
    foreignKey({
      name: 'model_aliases_version',
      columns: [t.name, t.version],
      foreignColumns: [registeredVersions.name, registeredVersions.version],
    }),
    foreignKey({
      name: 'model_aliases_canary',
      columns: [t.name, t.canaryVersion],
      foreignColumns: [registeredVersions.name, registeredVersions.version],
    }),
  ],
);

/** What an alias stands for. */
export interface AliasTarget {
  readonly version: string;
  readonly canary?: { readonly version: string; readonly share: number } | undefined;
}

/** The model that `default` stands for, where an operator has said so. */
export const modelDefaults = pgTable('model_defaults', {
  serves: text().primaryKey().$type<ModelService>(),
  name: text().notNull(),
  changedBy: text('changed_by').notNull(),
  changedAt: at('changed_at').notNull().defaultNow(),
});

/** Who changed what, oldest first. Rows stay. */
export const modelChanges = pgTable(
  'model_changes',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    at: at('at').notNull().defaultNow(),
    by: text('changed_by').notNull(),
    action: text().notNull().$type<ModelAction>(),
    name: text().notNull(),
    version: text(),
    alias: text(),
    /** Of an alias, what it stands for since then. */
    target: jsonb().$type<AliasTarget>(),
  },
  (t) => [index('model_changes_by_name').on(t.name, t.alias, t.id)],
);

export type ModelAction =
  | 'registered'
  | 'loaded'
  | 'unloaded'
  | 'removed'
  | 'alias_set'
  | 'alias_rolled_back'
  | 'alias_removed'
  | 'default_set'
  | 'default_removed';
