/** What a kind of job has in the records beside the rows that all jobs have. */
import type { KindDefinition } from '@darkroom/contract';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Db } from './postgres/connection.ts';

/** A table of a kind's own, whose rows belong to a job. */
export type JobTable = PgTable & { readonly jobId: PgColumn };

/** The kind's own tables and what becomes of their rows. Each function is called within a transaction of the frame's that has locked the job. */
export interface KindRecords {
  /** The rows of a job in these go with its deletion, in this order. */
  readonly tables: readonly JobTable[];
  /** Writes the rows that a job has which runs `from` again with the options `input`; its items are submitted as those of `from` were. */
  readonly copy?: (
    tx: Db,
    jobs: { readonly from: string; readonly to: string; readonly input: Record<string, unknown> },
  ) => Promise<void>;
  /** Removes the rows of items of `itemStage` that are found anew. */
  readonly forget?: (tx: Db, found: { readonly jobId: string; readonly itemStage: string }) => Promise<void>;
  /** All items of `itemStage` have been found, so many as `count`. */
  readonly found?: (
    tx: Db,
    found: { readonly jobId: string; readonly itemStage: string; readonly count: number },
  ) => Promise<void>;
}

/** A kind as the platform's processes know it. */
export interface Kind extends KindDefinition {
  /** Absent where all that is known of its jobs are the rows that every job has. */
  readonly records?: KindRecords;
}

export type Kinds = Readonly<Record<string, Kind>>;
