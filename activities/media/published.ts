/** The files and the result that a video task is published with, made from its ledger and the frames in S3. */

import { allSegments } from '@darkroom/analysis';
import {
  type FrameSource,
  type LabelOverTime,
  ProblemError,
  type VideoInfo,
  videoFiles,
  videoKind,
} from '@darkroom/contract';
import type { Attempt, ItemObject, StreamedObject } from '@darkroom/frame';
import { failpoint } from '@darkroom/platform';
import { type Db, getStage } from '@darkroom/records';
import { formatUri, inChunks } from '@darkroom/storage';
import type { Previews } from './previews/previews.ts';
import { statisticsHeader } from './scenes/statistics.ts';
import { statisticsPart } from './split-activity.ts';
import type { FoundScene } from './summary/found-scene.ts';
import { summarise } from './summary/summary.ts';
import { wholeScenes } from './summary/whole-scenes.ts';

/** A frame as JPEG at full size; 8K at high quality has a fifth of this. */
const frameBytes = 100 * 1024 * 1024;

/** Half a minute of pictures has a hundredth of this. */
const partBytes = 100 * 1024 * 1024;

interface StoredScene extends FoundScene {
  readonly source: FrameSource;
}

interface Publishing {
  readonly info: VideoInfo;
  readonly statisticsParts: number;
  /** What draws the pictures. */
  readonly previews: Previews;
}

/** Poster, storyboard, thumbnails and lists of a task whose scenes have ended, as objects beside its results; and its labels over time. */
export async function publishedFiles(
  attempt: Attempt,
  { info, statisticsParts, previews }: Publishing,
): Promise<{
  objects: (ItemObject | StreamedObject)[];
  result: { labels: LabelOverTime[]; scenes: number };
}> {
  const { deps, call, signal } = attempt;
  const scenes = await storedScenes(deps.records.db, call.jobId);
  const frames = new Map(scenes.map(({ number, source }) => [number, source]));
  const frameOf = async (number: number): Promise<Buffer> => {
    signal.throwIfAborted();
    const frame = frames.get(number);
    if (frame === undefined) throw new ProblemError('internal', `Scene ${number} has no frame.`);
    return deps.storage.getBytes(frame.imageUri, { maxBytes: frameBytes, signal });
  };
  const painter = previews.painter({
    signal,
    onDraw: (what, pid) => failpoint('video.draw', what, pid),
  });
  const filename = scenes[0]?.source.filename ?? '';
  const { files, labels } = await summarise(scenes, { filename, info }, frameOf, painter);
  const [home] = videoKind.outputs(call.jobId);
  const objects: (ItemObject | StreamedObject)[] = [...files].map(([name, body]) => {
    const { path, contentType } = videoFiles[name];
    return { key: home + path, path, body, contentType };
  });
  // Of a run of a version before, the file is the item's that was its probe.
  if ((await getStage(deps.records.db, call.jobId, 'probe'))?.result) {
    const path = 'video.json';
    const body = Buffer.from(JSON.stringify(info));
    objects.push({ key: home + path, path, body, contentType: 'application/json' });
  }
  if (statisticsParts > 0) {
    const { path, contentType } = videoFiles.statistics;
    objects.push({
      key: home + path,
      path,
      pieces: inChunks(statistics(attempt, statisticsParts)),
      contentType,
    });
  }
  return { objects, result: { labels, scenes: wholeScenes(scenes).length } };
}

/** The file of a job's statistics, part by part. */
async function* statistics({ deps, call, signal }: Attempt, parts: number): AsyncGenerator<string> {
  const { storage } = deps;
  yield statisticsHeader;
  for (let n = 1; n <= parts; n++) {
    const uri = formatUri({ bucket: storage.bucket, key: statisticsPart(call.jobId, n) });
    yield String(await storage.getBytes(uri, { maxBytes: partBytes, signal }));
  }
}

/** All scenes of a task in order, also those whose frame could not be analysed. */
async function storedScenes(db: Db, jobId: string): Promise<StoredScene[]> {
  const scenes: StoredScene[] = [];
  for await (const { segmentId, item, segment, detections } of allSegments(db, jobId)) {
    const source = item.input as FrameSource;
    const { scene } = source;
    scenes.push({ number: segmentId, scene, source, detections: segment === null ? null : detections });
  }
  return scenes;
}
