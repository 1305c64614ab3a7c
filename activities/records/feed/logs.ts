/** Log of a job: lines per stage, capped by size. */
import { storable } from '@darkroom/contract';
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { Db } from '../postgres/connection.ts';
import { read, write } from '../postgres/unavailable.ts';
import type { LogRow } from '../rows.ts';
import { jobLogs, jobs } from '../schema.ts';
import { jobsChannel } from './events.ts';

export interface LogLine {
  readonly jobId: string;
  readonly run: number;
  readonly stage?: string | null | undefined;
  readonly level: string;
  readonly attempt?: number | null | undefined;
  readonly line: string;
  readonly traceId?: string | null | undefined;
  /** Now, if absent. */
  readonly at?: Date | undefined;
}

/** Bytes of lines kept of a job. */
export const logLimit = 4 * 1024 * 1024;

/** Appends lines; beyond `limit` bytes a job one last line says so, and later ones are dropped. */
export const appendLog = write(
  async (db: Db, lines: readonly LogLine[], limit: number = logLimit): Promise<void> => {
    for (const [jobId, ofJob] of Map.groupBy(lines, ({ jobId }) => jobId)) {
      await db.transaction((tx) => appendToJob(tx, jobId, ofJob, limit));
    }
  },
);

async function appendToJob(tx: Db, jobId: string, lines: LogLine[], limit: number): Promise<void> {
  // The row lock makes ids commit in order: who has read up to an id has missed nothing before it.
  const [job] = await tx
    .select({ logBytes: jobs.logBytes })
    .from(jobs)
    .where(and(eq(jobs.id, jobId), sql`${jobs.deleteRequestedAt} is null`))
    .for('no key update');
  if (!job || job.logBytes > limit) return;
  const { kept, bytes } = fitting(lines, job.logBytes, limit);
  await tx.execute(sql`
    insert into ${jobLogs} (job_id, run, stage, level, attempt, line, trace_id, at)
    select ${jobId}, run, stage, level, attempt, line, "traceId", coalesce(at, now())
    from jsonb_to_recordset(${JSON.stringify(kept)}::jsonb)
      as kept (run int, stage text, level text, attempt int, line text, "traceId" text, at timestamptz)`);
  await tx.execute(sql`
    with job as (update ${jobs} set log_bytes = ${bytes} where id = ${jobId} returning id)
    select pg_notify(${jobsChannel}, id) from job`);
}

/** The lines that fit, as Postgres takes them, and the job's log bytes after them: over the limit once it was told of. */
function fitting(lines: readonly LogLine[], used: number, limit: number): { kept: LogLine[]; bytes: number } {
  const kept: LogLine[] = [];
  let bytes = used;
  for (const entry of lines) {
    const line = storable(entry.line);
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > limit) {
      kept.push({
        ...entry,
        level: 'warn',
        line: `The log ends here: it reached its limit of ${limit} bytes.`,
      });
      return { kept, bytes: limit + 1 };
    }
    kept.push({ ...entry, line });
  }
  return { kept, bytes };
}

export interface LogFilter {
  /** Id of the last line that was read. */
  readonly after?: number | undefined;
  readonly limit: number;
  readonly stage?: string | undefined;
}

/** Lines of a job in the order they came. */
export const readLog = read(
  async (db: Db, jobId: string, { after, limit, stage }: LogFilter): Promise<LogRow[]> =>
    db
      .select()
      .from(jobLogs)
      .where(
        and(
          eq(jobLogs.jobId, jobId),
          after === undefined ? undefined : gt(jobLogs.id, after),
          stage === undefined ? undefined : eq(jobLogs.stage, stage),
        ),
      )
      .orderBy(asc(jobLogs.id))
      .limit(limit),
);
