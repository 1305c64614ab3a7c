/** Segments of a task and the search over all of an owner's. */
import type { Detection } from '@darkroom/contract';
import { and, asc, count, desc, eq, gt, gte, lt, lte, max, type SQL, sql } from 'drizzle-orm';
import type { Db } from './connection.ts';
import { clockSkewMs, idAt } from './jobs.ts';
import type { ItemRow, TaskSegmentRow } from './rows.ts';
import { jobItems, jobs } from './schema.ts';
import { recognitionResults, taskSegments } from './schema-analysis.ts';
import { read } from './unavailable.ts';

export interface SegmentRecord {
  /** Ordinal of the segment's item. */
  readonly segmentId: number;
  readonly item: ItemRow;
  /** Null until the segment is published. */
  readonly segment: TaskSegmentRow | null;
  readonly detections: Detection[];
}

const joined = (db: Db) =>
  db
    .select({ item: jobItems, segment: taskSegments })
    .from(jobItems)
    .leftJoin(
      taskSegments,
      and(eq(taskSegments.jobId, jobItems.jobId), eq(taskSegments.segmentId, jobItems.ordinal)),
    );

/** The stage whose items are a task's segments. */
const segmentStage = eq(jobItems.stage, 'recognise');

/** Segments of a task in order, unpublished ones too; `after` is the last segment id of the page before. */
export const listSegments = read(
  async (
    db: Db,
    jobId: string,
    {
      limit,
      after,
      state,
    }: {
      readonly limit: number;
      readonly after?: number | undefined;
      readonly state?: string | undefined;
    },
  ): Promise<SegmentRecord[]> => {
    const page = await joined(db)
      .where(
        and(
          eq(jobItems.jobId, jobId),
          segmentStage,
          after === undefined ? undefined : gt(jobItems.ordinal, after),
          state === undefined ? undefined : eq(jobItems.state, state),
        ),
      )
      .orderBy(asc(jobItems.ordinal))
      .limit(limit);
    return await withDetections(db, jobId, page);
  },
);

/** Rows a query, so that a task of any size is gone through in little memory. */
const segmentsPerPage = 500;

/** All segments of a task in order, or those in one state, read a page at a time. */
export async function* allSegments(db: Db, jobId: string, state?: string): AsyncGenerator<SegmentRecord> {
  for (let after: number | undefined; ; ) {
    const page = await listSegments(db, jobId, { limit: segmentsPerPage, after, state });
    yield* page;
    if (page.length < segmentsPerPage) return;
    after = page.at(-1)?.segmentId;
  }
}

export const getSegment = read(
  async (db: Db, jobId: string, segmentId: number): Promise<SegmentRecord | undefined> => {
    const rows = await joined(db).where(
      and(eq(jobItems.jobId, jobId), segmentStage, eq(jobItems.ordinal, segmentId)),
    );
    return (await withDetections(db, jobId, rows))[0];
  },
);

async function withDetections(
  db: Db,
  jobId: string,
  page: { item: ItemRow; segment: TaskSegmentRow | null }[],
): Promise<SegmentRecord[]> {
  const [first, last] = [page[0], page.at(-1)];
  if (!first || !last) return [];
  const found = await db
    .select()
    .from(recognitionResults)
    .where(
      and(
        eq(recognitionResults.jobId, jobId),
        gte(recognitionResults.segmentId, first.item.ordinal),
        lte(recognitionResults.segmentId, last.item.ordinal),
      ),
    )
    .orderBy(asc(recognitionResults.segmentId), asc(recognitionResults.ordinal));
  const bySegment = Map.groupBy(found, ({ segmentId }) => segmentId);
  return page.map(({ item, segment }) => ({
    segmentId: item.ordinal,
    item,
    segment,
    detections: (bySegment.get(item.ordinal) ?? []).map(({ label, score, x, y, width, height }) => ({
      label,
      score,
      box: { x, y, width, height },
    })),
  }));
}

export interface LabelSummary {
  readonly label: string;
  readonly count: number;
  readonly bestScore: number;
}

/** What was found in the published segments of a task, the most frequent label first. */
export const labelSummary = read(
  async (db: Db, jobId: string): Promise<LabelSummary[]> =>
    db
      .select({
        label: recognitionResults.label,
        count: count(),
        bestScore: sql<number>`max(${recognitionResults.score})`,
      })
      .from(recognitionResults)
      .where(eq(recognitionResults.jobId, jobId))
      .groupBy(recognitionResults.label)
      .orderBy(desc(count()), asc(recognitionResults.label)),
);

export interface SegmentSearch {
  /** Absent: everybody's, for operators. */
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
    .select({ jobId: found.jobId, segmentId: found.segmentId, bestScore: max(found.score).as('best_score') })
    .from(found)
    .where(
      and(
        eq(found.label, label),
        search.minScore === undefined ? undefined : gte(found.score, search.minScore),
        ...within(search, found),
      ),
    )
    .groupBy(found.jobId, found.segmentId)
    .orderBy(desc(found.jobId), desc(found.segmentId))
    .limit(search.limit)
    .as('page');
  const rows = await db
    .select({ segment: taskSegments, bestScore: page.bestScore })
    .from(page)
    .innerJoin(
      taskSegments,
      and(eq(taskSegments.jobId, page.jobId), eq(taskSegments.segmentId, page.segmentId)),
    )
    .orderBy(desc(page.jobId), desc(page.segmentId));
  return rows.map(({ segment, bestScore }) => ({ ...segment, bestScore }));
}

/** Walks the index (owner, job, segment) and looks the best score of each up. */
async function newestSegments(db: Db, search: SegmentSearch): Promise<FoundSegment[]> {
  const best = db
    .select({ score: max(recognitionResults.score).as('score') })
    .from(recognitionResults)
    .where(
      and(
        eq(recognitionResults.jobId, taskSegments.jobId),
        eq(recognitionResults.segmentId, taskSegments.segmentId),
      ),
    )
    .as('best');
  const rows = await db
    .select({ segment: taskSegments, bestScore: best.score })
    .from(taskSegments)
    .leftJoinLateral(best, sql`true`)
    .where(
      and(
        search.minScore === undefined ? undefined : gte(best.score, search.minScore),
        ...within(search, taskSegments),
      ),
    )
    .orderBy(desc(taskSegments.jobId), desc(taskSegments.segmentId))
    .limit(search.limit);
  return rows.map(({ segment, bestScore }) => ({ ...segment, bestScore }));
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
