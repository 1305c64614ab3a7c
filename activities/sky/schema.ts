/** The tables of sky surveys: what `npm run survey -- index` found, and where each place of the sky is looked for. */
import { at } from '@darkroom/records/schema.ts';
import {
  bigint,
  boolean,
  customType,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
} from 'drizzle-orm/pg-core';
import type { PlaneName, SurveyDefinition } from './survey/definition/definition.ts';

export * from './jobs/schema.ts';
export * from './realtime/records/schema.ts';

/** Surveys as they were last indexed: requests read the definition from here, on every machine. */
export const surveys = pgTable('surveys', {
  name: text().primaryKey(),
  /** Of the definition. */
  digest: text().notNull(),
  definition: jsonb().notNull().$type<SurveyDefinition>(),
  /** `indexing`: for the first time; what was found so far is there. */
  state: text().notNull().default('indexing').$type<'indexing' | 'ready'>(),
  /** Counts the runs of the index: what an earlier one writes is refused. */
  run: integer().notNull().default(1),
  /** Names of tiles, and files with an image, weight or mask each. */
  tiles: integer().notNull().default(0),
  files: integer().notNull().default(0),
  /** Square degrees that an image covers. */
  area: doublePrecision().notNull().default(0),
  /** Order of {@link surveys.moc}'s finest cells; null until it was indexed by a version that has it. */
  mocOrder: integer('moc_order'),
  /** What an image covers, as HEALPix cells by order: a MOC. */
  moc: jsonb().$type<Record<string, number[]>>(),
  /** Whether every file was verified as it is. */
  verified: boolean().notNull().default(false),
  /** Files that could not be taken by the last run: how many, and the first hundred. */
  brokenCount: integer('broken_count').notNull().default(0),
  broken: jsonb().notNull().default([]).$type<BrokenFile[]>(),
  begunAt: at('begun_at').notNull().defaultNow(),
  indexedAt: at('indexed_at'),
});

export interface BrokenFile {
  readonly uri: string;
  readonly code: string;
  readonly detail: string;
}

/** One image of the sky, or its weight or mask: where it lies and what it covers. */
export const surveyFiles = pgTable(
  'survey_files',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    survey: text()
      .notNull()
      .references(() => surveys.name, { onDelete: 'cascade' }),
    tile: text().notNull(),
    /** '' for what is of all bands, such as a mask. */
    band: text().notNull(),
    plane: text().notNull().$type<PlaneName>(),
    uri: text().notNull(),
    etag: text().notNull(),
    bytes: bigint({ mode: 'number' }).notNull(),
    hdu: integer().notNull(),
    /** Which HDU and WCS the definition asked for when the file was read: by another one it is read again. */
    asked: text().notNull(),
    width: integer().notNull(),
    height: integer().notNull(),
    /** Degrees. */
    pixelScale: doublePrecision('pixel_scale').notNull(),
    /** Longitude and latitude (ICRS, degrees) of each corner in turn. */
    footprint: doublePrecision().array().notNull(),
  },
  (t) => [
    unique('survey_files_of').on(t.survey, t.tile, t.band, t.plane),
    // What a changed or removed object was.
    index('survey_files_by_uri').on(t.survey, t.uri),
  ],
);

/** HEALPix cells, of the order `cellOrder` of survey/records/tiles.ts, that an image touches. */
export const surveyCells = pgTable(
  'survey_cells',
  {
    survey: text().notNull(),
    cell: integer().notNull(),
    file: bigint({ mode: 'number' })
      .notNull()
      .references(() => surveyFiles.id, { onDelete: 'cascade' }),
  },
  (t) => [primaryKey({ columns: [t.survey, t.cell, t.file] }), index('survey_cells_of_file').on(t.file)],
);

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });

/** What `--verify` has seen of a file: a later read that gives other bytes is refused. */
export const surveyChecksums = pgTable(
  'survey_checksums',
  {
    survey: text()
      .notNull()
      .references(() => surveys.name, { onDelete: 'cascade' }),
    uri: text().notNull(),
    etag: text().notNull(),
    /** Bytes that a checksum is of. */
    block: integer().notNull(),
    /** CRC-32 of each block, four bytes each, big-endian. */
    sums: bytea().notNull(),
    /** Whether every HDU had a DATASUM, and all of them matched. */
    datasum: boolean().notNull(),
    verifiedAt: at('verified_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.survey, t.uri] })],
);
