/** Recognition of a video's frames: each is an item that the split has found. */
import { createHash } from 'node:crypto';
import {
  type AnalysisOptions,
  analysisOptions,
  type FrameSource,
  type ModelIdentity,
  type PhotoResult,
  type Scene,
  videoOptions,
} from '@darkroom/contract';
import type { Attempt, ItemOutcome, ItemTools } from '@darkroom/frame';
import { failpoint } from '@darkroom/platform';
import { type ItemRow, insertSegment } from '@darkroom/records';
import { formatUri } from '@darkroom/storage';
import type { Stage } from './analyse.ts';
import { analyseFrame } from './analyse-frame.ts';
import type { Model } from './session.ts';

export const frameOf = (item: ItemRow): FrameSource => item.input as FrameSource;

/** The options of a video that recognition goes by. */
export function recognitionOptions(input: Record<string, unknown>): AnalysisOptions {
  const { model, scoreThreshold, labels, annotate } = videoOptions.parse(input);
  return analysisOptions.parse({ model, scoreThreshold, labels, annotate });
}

/** What the bytes of a frame's result are a function of. */
export function frameDigest(frame: FrameSource, options: AnalysisOptions, model: ModelIdentity): string {
  const { scoreThreshold, annotate } = options;
  const labels = [...options.labels].sort();
  const { imageSha256, inputSha256 } = frame;
  return createHash('sha256')
    .update(JSON.stringify([1, imageSha256, inputSha256, model.digest, scoreThreshold, labels, annotate]))
    .digest('hex');
}

/** The JSON result of a scene: as of a photo, and where in the video it is. */
type SceneResult = PhotoResult & { readonly scene: Scene };

/** Recognises the frame of one scene and draws into its picture. */
export async function recogniseFrame(
  attempt: Attempt,
  model: Model,
  options: AnalysisOptions,
  item: ItemRow,
  { signal, reached }: ItemTools,
): Promise<ItemOutcome> {
  const { storage, config } = attempt.deps;
  const { jobId, ordinal } = item;
  const source = frameOf(item);
  const { width, height, scene, imageUri } = source;
  const read = (uri: string) => storage.getBytes(uri, { maxBytes: config.limits.uploadBytes, signal });
  const onStage = async (stage: Stage, pid: number): Promise<void> => {
    if (stage === 'annotate') reached('recognise');
    await failpoint(`video.${stage}`, String(ordinal), pid);
  };
  const { detections, annotated } = await analyseFrame(
    { input: await read(source.inputUri), size: { width, height }, picture: () => read(imageUri) },
    {
      model,
      threshold: options.scoreThreshold,
      labels: options.labels,
      annotate: options.annotate,
      signal,
      limits: {
        bytes: config.limits.uploadBytes,
        pixels: config.limits.videoPixels,
        frames: config.limits.photoFrames,
      },
    },
    { onStage },
  );
  const found = detections.map(({ label, score, box }) => ({ label, score, box }));
  const result: SceneResult = {
    width,
    height,
    format: 'jpeg',
    scene,
    model: model.identity,
    scoreThreshold: options.scoreThreshold,
    detections: found,
  };
  const file = (name: string, body: Buffer, contentType: string) => ({
    key: `recognition-results/${jobId}/${name}`,
    path: name,
    body,
    contentType,
  });
  const json = file(`${ordinal}_result.json`, Buffer.from(JSON.stringify(result)), 'application/json');
  const drawn = annotated === undefined ? [] : [file(`${ordinal}_result.jpg`, annotated, 'image/jpeg')];
  const uriOf = ({ key }: { key: string }) => formatUri({ bucket: storage.bucket, key });
  return {
    objects: [json, ...drawn],
    written: [
      {
        path: `image_${ordinal}.jpg`,
        uri: imageUri,
        bytes: source.imageBytes,
        sha256: source.imageSha256,
        contentType: 'image/jpeg',
      },
    ],
    record: (tx) =>
      insertSegment(tx, {
        jobId,
        segmentId: ordinal,
        filename: source.filename,
        sourceUri: imageUri,
        width,
        height,
        scene,
        imageUri,
        resultUri: uriOf(json),
        annotatedUri: drawn[0] === undefined ? null : uriOf(drawn[0]),
        detections: found,
      }),
  };
}
