/** Rows of a task as the documents its users see. */

import type { FoundSegment, LabelSummary, SegmentRecord, TaskRow } from '@darkroom/analysis';
import {
  type Analysis,
  type AnalysisLinks,
  analysisOptions,
  type FrameSource,
  itemState,
  type JobState,
  labelOverTime,
  type MediaSource,
  type Segment,
  videoInfo,
  videoOptions,
} from '@darkroom/contract';
import { type ItemCounts, progressOf } from '@darkroom/records';
import { z } from '@hono/zod-openapi';
import type { LinkMaker } from './links.ts';
import type { Task } from './task.ts';

/** The task's document. Pure. */
export function toAnalysis(
  { job, stages, media }: Task,
  found: {
    readonly task: TaskRow | undefined;
    readonly segments: ItemCounts;
    readonly labels: readonly LabelSummary[];
  },
  links: AnalysisLinks,
): Analysis {
  const { task, segments, labels } = found;
  const common = {
    task_id: job.id,
    state: job.state as JobState,
    progress: progressOf(stages, job),
    segments: { ...segments },
    labels: overTime.safeParse(job.result?.labels).data ?? [...labels],
    model: modelOf(task),
    problem: job.problem,
    createdAt: job.createdAt.toISOString(),
    finishedAt: job.finishedAt?.toISOString() ?? null,
    links,
  };
  if (media === 'photo') {
    return { ...common, media, options: analysisOptions.parse(job.input), video: null };
  }
  const video = videoInfo.safeParse(job.pinned?.video).data ?? null;
  return { ...common, media, options: videoOptions.parse(job.input), video };
}

/** What a video is published with; a photo's result, or a job's that has none, is none of it. */
const overTime = z.array(labelOverTime);

function modelOf(task: TaskRow | undefined): Analysis['model'] {
  const { modelName: name, modelVersion: version, modelDigest: digest } = task ?? {};
  return name && version && digest ? { name, version, digest } : null;
}

/** A segment's document with links to its picture and results. A scene's frame can be seen before it is analysed. */
export async function toSegment(
  { job, media }: Task,
  { segmentId, item, segment: published, detections }: SegmentRecord,
  links: LinkMaker,
): Promise<Segment> {
  const source = item.input as MediaSource | FrameSource;
  const frame = media === 'video' ? (source as FrameSource) : undefined;
  return {
    task_id: job.id,
    segment_id: segmentId,
    filename: source.filename,
    state: itemState.parse(item.state),
    width: published?.width ?? frame?.width ?? null,
    height: published?.height ?? frame?.height ?? null,
    scene: frame?.scene ?? null,
    detections,
    problem: item.problem,
    links: await segmentLinks(
      {
        taskId: job.id,
        segmentId,
        filename: source.filename,
        imageUri: frame?.imageUri,
        sourceUri: frame === undefined ? (source as MediaSource).uri : undefined,
        annotatedUri: published?.annotatedUri,
        resultUri: published?.resultUri,
      },
      links,
    ),
  };
}

/** What a search shows of a segment. */
export async function toFound(row: FoundSegment, links: LinkMaker) {
  const sourceUri = row.scene === null ? row.sourceUri : undefined;
  return {
    task_id: row.jobId,
    segment_id: row.segmentId,
    filename: row.filename,
    width: row.width,
    height: row.height,
    scene: row.scene,
    bestScore: row.bestScore,
    classId: row.classId,
    foundAt: row.createdAt.toISOString(),
    links: await segmentLinks({ ...row, taskId: row.jobId, sourceUri }, links),
  };
}

async function segmentLinks(
  of: {
    readonly taskId: string;
    readonly segmentId: number;
    readonly filename: string;
    readonly sourceUri: string | undefined;
    readonly imageUri?: string | null | undefined;
    readonly annotatedUri?: string | null | undefined;
    readonly resultUri?: string | null | undefined;
  },
  { storage, ttlSeconds, source }: LinkMaker,
): Promise<Segment['links']> {
  const { taskId, segmentId, filename, sourceUri: uri } = of;
  const targets = [
    ['image', of.imageUri, `image_${segmentId}.jpg`],
    ['annotated', of.annotatedUri, `${segmentId}_result.jpg`],
    ['result', of.resultUri, `${segmentId}_result.json`],
  ] as const;
  const made = targets.map(async ([name, uri, filename]) =>
    uri
      ? [[name, await storage.linkTo(uri, { expiresInSeconds: ttlSeconds, filename, disposition: 'inline' })]]
      : [],
  );
  return {
    ...(uri && { source: await source({ taskId, segmentId, uri, filename }) }),
    ...Object.fromEntries((await Promise.all(made)).flat()),
  };
}
