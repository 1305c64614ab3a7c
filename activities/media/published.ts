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
import type { Attempt, ItemObject } from '@darkroom/frame';
import { type Db, getStage } from '@darkroom/records';
import type { FoundScene } from './summary/found-scene.ts';
import { summarise } from './summary/summary.ts';
import { wholeScenes } from './summary/whole-scenes.ts';

/** A frame as JPEG at full size; 8K at high quality has a fifth of this. */
const frameBytes = 100 * 1024 * 1024;

interface StoredScene extends FoundScene {
  readonly source: FrameSource;
}

/** Poster, storyboard, thumbnails and lists of a task whose scenes have ended, as objects beside its results; and its labels over time. */
export async function publishedFiles(
  attempt: Attempt,
  { info }: { readonly info: VideoInfo },
): Promise<{ objects: ItemObject[]; result: { labels: LabelOverTime[]; scenes: number } }> {
  const { deps, call, signal } = attempt;
  const scenes = await storedScenes(deps.records.db, call.jobId);
  const frames = new Map(scenes.map(({ number, source }) => [number, source]));
  const frameOf = async (number: number): Promise<Buffer> => {
    signal.throwIfAborted();
    const frame = frames.get(number);
    if (frame === undefined) throw new ProblemError('internal', `Scene ${number} has no frame.`);
    return deps.storage.getBytes(frame.imageUri, { maxBytes: frameBytes, signal });
  };
  const filename = scenes[0]?.source.filename ?? '';
  const { files, labels } = await summarise(scenes, { filename, info }, frameOf);
  const [home] = videoKind.outputs(call.jobId);
  const objects: ItemObject[] = [...files].map(([name, body]) => {
    const { path, contentType } = videoFiles[name];
    return { key: home + path, path, body, contentType };
  });
  // Of a run of a version before, the file is the item's that was its probe.
  if ((await getStage(deps.records.db, call.jobId, 'probe'))?.result) {
    const path = 'video.json';
    const body = Buffer.from(JSON.stringify(info));
    objects.push({ key: home + path, path, body, contentType: 'application/json' });
  }
  return { objects, result: { labels, scenes: wholeScenes(scenes).length } };
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
