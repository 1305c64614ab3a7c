/** Segments of a task, with what was found in them. */
import type { Detection, Scene } from '@darkroom/contract';
import { type Db, type ItemRow, read, write } from '@darkroom/records';
import { jobItems, jobs } from '@darkroom/records/schema.ts';
import { and, asc, count, desc, eq, gt, gte, lte, sql } from 'drizzle-orm';
import { recognitionResults, taskSegments } from './schema.ts';

export type TaskSegmentRow = typeof taskSegments.$inferSelect;

export interface NewSegment {
  readonly jobId: string;
  /** Ordinal of the segment's item. */
  readonly segmentId: number;
  readonly filename: string;
  readonly sourceUri: string;
  /** Pixels, EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  /** Of a video. */
  readonly scene?: Scene | undefined;
  readonly imageUri?: string | null | undefined;
  readonly annotatedUri?: string | null | undefined;
  readonly resultUri: string;
  readonly detections: readonly Detection[];
}

/**
 * Writes a segment with its detections in one statement; a repetition replaces them. For the transaction of `publishItem`.
 */
export const insertSegment = write(async (tx: Db, segment: NewSegment): Promise<void> => {
  const { jobId, segmentId, detections } = segment;
  const { rows } = await tx.execute(sql`
    with job as (
      select id, owner from ${jobs} where id = ${jobId}
    ), written as (
      insert into ${taskSegments} (job_id, segment_id, owner, filename, source_uri, width, height, scene, image_uri, annotated_uri, result_uri)
      select id, ${segmentId}::int, owner, ${segment.filename}, ${segment.sourceUri}, ${segment.width}::int, ${segment.height}::int,
             ${segment.scene === undefined ? null : JSON.stringify(segment.scene)}::jsonb, ${segment.imageUri ?? null}::text, ${segment.annotatedUri ?? null}::text, ${segment.resultUri}
      from job
      on conflict (job_id, segment_id) do update
        set owner = excluded.owner, filename = excluded.filename, source_uri = excluded.source_uri,
            width = excluded.width, height = excluded.height, scene = excluded.scene, image_uri = excluded.image_uri,
            annotated_uri = excluded.annotated_uri, result_uri = excluded.result_uri
    ), surplus as (
      delete from ${recognitionResults}
      where job_id = ${jobId} and segment_id = ${segmentId}::int and ordinal > ${detections.length}::int
    ), found as (
      insert into ${recognitionResults} (job_id, segment_id, ordinal, owner, label, class_id, score, x, y, width, height)
      select id, ${segmentId}::int, ordinality, owner, value ->> 'label', (value ->> 'classId')::int, (value ->> 'score')::real,
             (value #>> '{box,x}')::real, (value #>> '{box,y}')::real,
             (value #>> '{box,width}')::real, (value #>> '{box,height}')::real
      from job, jsonb_array_elements(${JSON.stringify(detections)}::jsonb) with ordinality
      on conflict (job_id, segment_id, ordinal) do update
        set owner = excluded.owner, label = excluded.label, class_id = excluded.class_id, score = excluded.score,
            x = excluded.x, y = excluded.y, width = excluded.width, height = excluded.height
    )
    select id from job`);
  if (rows.length === 0) throw new Error(`There is no job ${jobId} that a segment could belong to.`);
});

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
    detections: (bySegment.get(item.ordinal) ?? []).map(({ label, classId, score, x, y, width, height }) => ({
      label,
      ...(classId !== null && { classId }),
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
