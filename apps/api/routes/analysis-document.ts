/** Rows of a task as the documents its users see. */
import {
  type Analysis,
  analysisOptions,
  type JobState,
  type PhotoSource,
  type Segment,
  segment,
} from '@darkroom/contract';
import {
  type FoundSegment,
  type ItemCounts,
  type JobWithStages,
  type LabelSummary,
  progressOf,
  type SegmentRecord,
  type TaskRow,
} from '@darkroom/records';
import type { Storage } from '@darkroom/storage';

/** Makes links with which a browser reads an object for some minutes. */
export interface LinkMaker {
  readonly storage: Pick<Storage, 'linkTo'>;
  readonly ttlSeconds: number;
}

/** Where to go on from a task; absolute, since they travel without the request. */
export function analysisLinks(publicUrl: string, id: string): Record<string, string> {
  const self = `${publicUrl}/v1/analysis/${encodeURIComponent(id)}`;
  const job = `${publicUrl}/v1/jobs/${encodeURIComponent(id)}`;
  return {
    self,
    segments: `${self}/segments`,
    coco: `${self}/export?format=coco`,
    csv: `${self}/export?format=csv`,
    job,
    events: `${job}/events`,
    cancel: `${job}/cancel`,
    results: `${job}/results`,
  };
}

/** The task's document. Pure. */
export function toAnalysis(
  { job, stages }: JobWithStages,
  found: {
    readonly task: TaskRow | undefined;
    readonly segments: ItemCounts;
    readonly labels: readonly LabelSummary[];
  },
  publicUrl: string,
): Analysis {
  const { task, segments, labels } = found;
  return {
    task_id: job.id,
    media: task?.media === 'video' ? 'video' : 'photo',
    state: job.state as JobState,
    progress: progressOf(stages, job),
    segments: { ...segments },
    labels: [...labels],
    model: modelOf(task),
    options: analysisOptions.parse(job.input),
    problem: job.problem,
    createdAt: job.createdAt.toISOString(),
    finishedAt: job.finishedAt?.toISOString() ?? null,
    links: analysisLinks(publicUrl, job.id),
  };
}

function modelOf(task: TaskRow | undefined): Analysis['model'] {
  const { modelName: name, modelVersion: version, modelDigest: digest } = task ?? {};
  return name && version && digest ? { name, version, digest } : null;
}

/** A segment's document with links to its picture and results. */
export async function toSegment(
  jobId: string,
  { segmentId, item, segment: published, detections }: SegmentRecord,
  links: LinkMaker,
): Promise<Segment> {
  const { uri, filename } = item.input as PhotoSource;
  return {
    task_id: jobId,
    segment_id: segmentId,
    filename,
    state: segment.shape.state.parse(item.state),
    width: published?.width ?? null,
    height: published?.height ?? null,
    detections,
    problem: item.problem,
    links: await segmentLinks({ uri, filename, segmentId, ...published }, links),
  };
}

/** What a search shows of a segment. */
export async function toFound(row: FoundSegment, links: LinkMaker) {
  return {
    task_id: row.jobId,
    segment_id: row.segmentId,
    filename: row.filename,
    width: row.width,
    height: row.height,
    bestScore: row.bestScore,
    foundAt: row.createdAt.toISOString(),
    links: await segmentLinks({ uri: row.sourceUri, ...row }, links),
  };
}

async function segmentLinks(
  of: {
    readonly uri: string;
    readonly filename: string;
    readonly segmentId: number;
    readonly annotatedUri?: string | null;
    readonly resultUri?: string | null;
  },
  { storage, ttlSeconds }: LinkMaker,
): Promise<Segment['links']> {
  const link = (target: string | null | undefined, filename: string) =>
    target
      ? storage.linkTo(target, { expiresInSeconds: ttlSeconds, filename, disposition: 'inline' })
      : undefined;
  const [source, annotated, result] = await Promise.all([
    link(of.uri, of.filename),
    link(of.annotatedUri, `${of.segmentId}_result.jpg`),
    link(of.resultUri, `${of.segmentId}_result.json`),
  ]);
  return { ...(source && { source }), ...(annotated && { annotated }), ...(result && { result }) };
}
