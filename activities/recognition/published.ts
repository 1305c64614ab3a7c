/** The exports a task is published with. */
import type { ItemObject } from '@darkroom/frame';
import { allSegments, type Db, getTask } from '@darkroom/records';
import { cocoJson, csv, type ExportPhoto } from './export.ts';

export type ExportFormat = 'coco' | 'csv';

/** What was found in a task, in the format asked for, piece by piece; `media` is the task's. */
export function exported(
  db: Db,
  task: { readonly jobId: string; readonly media: string },
  format: ExportFormat,
): AsyncIterable<string> {
  const photos = () => analysed(db, task.jobId);
  // No job id within: the bytes are a function of the task's pictures and options.
  if (format === 'coco') return cocoJson(photos, `Darkroom ${task.media} recognition`);
  return csv(photos(), { scenes: task.media === 'video' });
}

/** Photos or frames of a task whose results are published, in order. */
async function* analysed(db: Db, jobId: string): AsyncGenerator<ExportPhoto, void, undefined> {
  for await (const { segmentId, segment, detections } of allSegments(db, jobId, 'succeeded')) {
    if (segment === null) continue;
    const { scene, width, height } = segment;
    const filename = scene === null ? segment.filename : `image_${segmentId}.jpg`;
    const times = scene === null ? undefined : { start: scene.start, end: scene.end, at: scene.frame.at };
    yield { segmentId, filename, scene: times, width, height, detections };
  }
}

/** COCO JSON and CSV of a task, as objects beside its results. */
export async function publishedExports(db: Db, jobId: string): Promise<ItemObject[]> {
  const media = (await getTask(db, jobId))?.media ?? 'photo';
  const file = async (path: string, contentType: string, format: ExportFormat): Promise<ItemObject> => {
    let text = '';
    for await (const piece of exported(db, { jobId, media }, format)) text += piece;
    return { key: `recognition-results/${jobId}/${path}`, path, body: Buffer.from(text), contentType };
  };
  return [await file('coco.json', 'application/json', 'coco'), await file('results.csv', 'text/csv', 'csv')];
}
