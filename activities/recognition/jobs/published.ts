/** The exports a task is published with. */
import { allSegments, labelsOfTask } from '@darkroom/analysis';
import type { Scene } from '@darkroom/contract';
import type { StreamedObject } from '@darkroom/frame';
import type { Db } from '@darkroom/records';
import { inChunks } from '@darkroom/storage';
import { cocoJson, csv, type ExportPhoto, type ExportPhotos } from './export.ts';

export type ExportFormat = 'coco' | 'csv';

interface ExportTask {
  readonly jobId: string;
  readonly media: 'photo' | 'video';
}

/** What was found in a task, in the format asked for, piece by piece; `photos` are the task's. */
export async function* exported(
  db: Db,
  task: ExportTask,
  format: ExportFormat,
  photos: ExportPhotos = () => analysed(db, task.jobId),
): AsyncIterable<string> {
  if (format === 'csv') return yield* csv(photos(), { scenes: task.media === 'video' });
  // No job id within: the bytes are a function of the task's pictures and options.
  yield* cocoJson(photos, `Darkroom ${task.media} recognition`, await labelsOfTask(db, task.jobId));
}

/** Photos that are kept for the next time they are gone through. */
const mostKept = 100;

/** `photos`, read once where they are few: each reading costs a small task as much as its other statements. */
export function readOnce(photos: ExportPhotos): ExportPhotos {
  let kept: readonly ExportPhoto[] | undefined;
  return async function* () {
    if (kept !== undefined) return yield* kept;
    const seen: ExportPhoto[] = [];
    for await (const photo of photos()) {
      if (seen.length <= mostKept) seen.push(photo);
      yield photo;
    }
    if (seen.length <= mostKept) kept = seen;
  };
}

/** Photos or frames of a task whose results are published, in order. */
async function* analysed(db: Db, jobId: string): AsyncGenerator<ExportPhoto, void, undefined> {
  for await (const { segmentId, segment, detections } of allSegments(db, jobId, 'succeeded')) {
    if (segment === null) continue;
    const { scene, width, height } = segment;
    const filename = scene === null ? segment.filename : `image_${segmentId}.jpg`;
    yield { segmentId, filename, scene: timesOf(scene), width, height, detections };
  }
}

function timesOf(scene: Scene | null): ExportPhoto['scene'] {
  if (scene === null) return undefined;
  const { start, end, frame, number } = scene;
  return { start, end, at: frame.at, ...(number !== undefined && { scene: number }) };
}

/** COCO JSON and CSV of a task, as objects beside its results; both are written as they are read. */
export function publishedExports(db: Db, task: ExportTask): StreamedObject[] {
  const { jobId } = task;
  const photos = readOnce(() => analysed(db, jobId));
  const file = (path: string, contentType: string, format: ExportFormat): StreamedObject => ({
    key: `recognition-results/${jobId}/${path}`,
    path,
    pieces: inChunks(exported(db, task, format, photos)),
    contentType,
  });
  return [file('coco.json', 'application/json', 'coco'), file('results.csv', 'text/csv', 'csv')];
}
