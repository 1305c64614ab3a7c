/** The search over the segments of all of an owner's tasks. */
import { clockSkewMs, type Db, idAt, read } from '@darkroom/records';
import { jobs } from '@darkroom/records/schema.ts';
import { and, desc, eq, gte, lt, lte, max, type SQL, sql } from 'drizzle-orm';
import { recognitionResults, taskSegments } from './schema.ts';
import type { TaskSegmentRow } from './segments.ts';

export interface SegmentSearch {
  /** Absent: segments of all owners, for operators. */
  readonly owner?: string | undefined;
  readonly label?: string | undefined;
  readonly minScore?: number | undefined;
  /** Found at or after. */
  readonly from?: Date | undefined;
  /** Found at or before. */
  readonly to?: Date | undefined;
  readonly limit: number;
  /** Last segment of the page before. */
  readonly before?: { readonly jobId: string; readonly segmentId: number } | undefined;
}

export interface FoundSegment extends TaskSegmentRow {
  /** Best score among the label searched for, or among all; null when nothing was found in the segment. */
  readonly bestScore: number | null;
  /** Number of what has that score in the model's own list; null when nothing was found, and in rows of before. */
  readonly classId: number | null;
}

/** Segments of all tasks, the newest task's first. */
export const searchSegments = read(
  async (db: Db, search: SegmentSearch): Promise<FoundSegment[]> =>
    search.label === undefined ? await newestSegments(db, search) : await withLabel(db, search, search.label),
);

/** Walks the index (owner, label, job, segment): as many entries as the page needs. */
async function withLabel(db: Db, search: SegmentSearch, label: string): Promise<FoundSegment[]> {
  const found = recognitionResults;
  const page = db
    .select({
      jobId: found.jobId,
      segmentId: found.segmentId,
      bestScore: max(found.score).as('best_score'),
      classId: sql<number | null>`(array_agg(${found.classId} order by ${found.score} desc))[1]`.as(
        'class_id',
      ),
    })
    .from(found)
    .where(
      and(
        eq(found.label, label),
        search.minScore === undefined ? undefined : gte(found.score, Math.fround(search.minScore)),
        ...within(search, found),
      ),
    )
    .groupBy(found.jobId, found.segmentId)
    .orderBy(desc(found.jobId), desc(found.segmentId))
    .limit(search.limit)
    .as('page');
  const rows = await db
    .select({ segment: taskSegments, bestScore: page.bestScore, classId: page.classId })
    .from(page)
    .innerJoin(
      taskSegments,
      and(eq(taskSegments.jobId, page.jobId), eq(taskSegments.segmentId, page.segmentId)),
    )
    .orderBy(desc(page.jobId), desc(page.segmentId));
  return rows.map(({ segment, ...best }) => ({ ...segment, ...best }));
}

/** Walks the index (owner, job, segment) and looks the best score of each up. */
async function newestSegments(db: Db, search: SegmentSearch): Promise<FoundSegment[]> {
  const best = db
    .select({ score: recognitionResults.score, classId: recognitionResults.classId })
    .from(recognitionResults)
    .where(
      and(
        eq(recognitionResults.jobId, taskSegments.jobId),
        eq(recognitionResults.segmentId, taskSegments.segmentId),
      ),
    )
    .orderBy(desc(recognitionResults.score))
    .limit(1)
    .as('best');
  const rows = await db
    .select({ segment: taskSegments, bestScore: best.score, classId: best.classId })
    .from(taskSegments)
    .leftJoinLateral(best, sql`true`)
    .where(
      and(
        search.minScore === undefined ? undefined : gte(best.score, Math.fround(search.minScore)),
        ...within(search, taskSegments),
      ),
    )
    .orderBy(desc(taskSegments.jobId), desc(taskSegments.segmentId))
    .limit(search.limit);
  return rows.map(({ segment, ...best }) => ({ ...segment, ...best }));
}

function within(
  { owner, from, to, before }: SegmentSearch,
  table: typeof recognitionResults | typeof taskSegments,
): (SQL | undefined)[] {
  return [
    owner === undefined ? undefined : eq(table.owner, owner),
    from && gte(table.createdAt, from),
    to && lte(table.createdAt, to),
    // A segment is found after its job was made.
    to && lt(table.jobId, idAt(to.getTime() + clockSkewMs)),
    before && sql`(${table.jobId}, ${table.segmentId}) < (${before.jobId}, ${before.segmentId}::int)`,
    sql`not exists (select 1 from ${jobs} where id = ${table.jobId} and delete_requested_at is not null)`,
  ];
}
