/** The exports a task is published with. */
import type { ItemObject } from '@darkroom/frame';
import { type Db, listSegments } from '@darkroom/records';
import { cocoJson, csv, type ExportPhoto } from './export.ts';

/** Rows a query, so that a task of any size is exported in little memory. */
const pageRows = 500;

/** Photos of a task whose results are published, in order. */
export async function* analysedPhotos(db: Db, jobId: string): AsyncGenerator<ExportPhoto, void, undefined> {
  for (let after: number | undefined; ; ) {
    const page = await listSegments(db, jobId, { limit: pageRows, after, state: 'succeeded' });
    for (const { segmentId, segment, detections } of page) {
      if (segment === null) continue;
      const { filename, width, height } = segment;
      yield { segmentId, filename, width, height, detections };
    }
    if (page.length < pageRows) return;
    after = page.at(-1)?.segmentId;
  }
}

/** COCO JSON and CSV of a task, as objects beside its results. */
export async function publishedExports(db: Db, jobId: string): Promise<ItemObject[]> {
  const photos = () => analysedPhotos(db, jobId);
  const file = async (
    path: string,
    contentType: string,
    pieces: AsyncIterable<string>,
  ): Promise<ItemObject> => {
    let text = '';
    for await (const piece of pieces) text += piece;
    return { key: `recognition-results/${jobId}/${path}`, path, body: Buffer.from(text), contentType };
  };
  return [
    // No job id within: the bytes are a function of the task's photos and options.
    await file('coco.json', 'application/json', cocoJson(photos, 'Darkroom photo recognition')),
    await file('results.csv', 'text/csv', csv(photos())),
  ];
}
