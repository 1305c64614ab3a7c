/** Rows as the tables hold them. */
import { getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';
import {
  type apiKeys,
  type jobCheckpoints,
  type jobEvents,
  type jobItems,
  type jobLogs,
  jobStages,
  jobs,
  type uploads,
} from './schema.ts';

export type JobRow = typeof jobs.$inferSelect;
export type StageRow = typeof jobStages.$inferSelect;
export type ItemRow = typeof jobItems.$inferSelect;
export type CheckpointRow = typeof jobCheckpoints.$inferSelect;
export type EventRow = typeof jobEvents.$inferSelect;
export type LogRow = typeof jobLogs.$inferSelect;
export type ApiKeyRow = typeof apiKeys.$inferSelect;
export type UploadRow = typeof uploads.$inferSelect;

/** A stage where the job is known, without what it is made of and came to: that is for the stage alone. */
export type StageOfJob = Omit<StageRow, 'jobId' | 'input' | 'result' | 'digest' | 'objects'>;
const {
  jobId: _,
  input: _input,
  result: _result,
  digest: _digest,
  objects: _objects,
  ...columns
} = getTableColumns(jobStages);
export const columnsOfStage = columns;

/** A job with its stages in their order. */
export interface JobWithStages {
  readonly job: JobRow;
  readonly stages: StageOfJob[];
}

/** The fields of a table under the names that its rows have here, for a JSON that is a row already. */
const fieldsOf = (table: PgTable, columns = getTableColumns(table)): SQL =>
  sql.join(
    Object.entries(columns).map(
      ([key, { name }]) => sql`${table}.${sql.identifier(name)} as ${sql.identifier(key)}`,
    ),
    sql`, `,
  );

/**
 * Selects each job of a query with its stages, both as JSON: 50 jobs are some 7,000 fields, and taking them one by one out of the
 * protocol costs several times as much as parsing a text each.
 */
export const documents = {
  job: sql<JsonRow<JobRow>>`(select row_to_json(job) from (select ${fieldsOf(jobs)}) as job)`,
  stages: sql<JsonRow<StageOfJob>[] | null>`(
    select json_agg(stage) from (
      select ${fieldsOf(jobStages, columnsOfStage)} from ${jobStages} where job_id = ${jobs}.id order by ordinal) as stage)`,
};

/** Moments are texts in JSON. */
type JsonRow<R> = { [K in keyof R]: R[K] extends Date | null ? string | null : R[K] };

export const withStages = (found: {
  job: JsonRow<JobRow>;
  stages: JsonRow<StageOfJob>[] | null;
}): JobWithStages => ({
  job: withDates(found.job, momentsOfJob) as JobRow,
  stages: (found.stages ?? []).map((stage) => withDates(stage, momentsOfStage) as StageOfJob),
});

const momentsOf = (table: PgTable): string[] =>
  Object.entries(getTableColumns(table)).flatMap(([key, { dataType }]) => (dataType === 'date' ? key : []));
const momentsOfJob = momentsOf(jobs);
const momentsOfStage = momentsOf(jobStages);

function withDates(json: object, moments: readonly string[]): object {
  const row = json as Record<string, unknown>;
  for (const key of moments) {
    const text = row[key];
    if (typeof text === 'string') row[key] = new Date(text);
  }
  return row;
}
