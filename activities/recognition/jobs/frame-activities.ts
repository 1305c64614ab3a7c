/** Recognition of a video's frames: each is an item that the split has found. */
import {
  type AnalysisOptions,
  analysisOptions,
  type FrameSource,
  type ModelIdentity,
  videoOptions,
} from '@darkroom/contract';
import type { Attempt, ItemOutcome, ItemTools } from '@darkroom/frame';
import { failpoint } from '@darkroom/platform';
import type { ItemRow } from '@darkroom/records';
import type { Recogniser } from '../lane/recogniser.ts';
import type { Stage } from '../stages.ts';
import { type ModelInUse, outcomeOf, type Recognised, resultDigest, wantedOf } from './recognised.ts';

export const frameOf = (item: ItemRow): FrameSource => item.input as FrameSource;

/** The options of a video that recognition goes by. */
export function recognitionOptions(input: Record<string, unknown>): AnalysisOptions {
  const options = Object.entries(videoOptions.parse(input));
  return analysisOptions.parse(
    Object.fromEntries(options.filter(([name]) => Object.hasOwn(analysisOptions.shape, name))),
  );
}

/** What the bytes of a frame's result are a function of. */
export const frameDigest = (frame: FrameSource, options: AnalysisOptions, model: ModelInUse): string =>
  resultDigest([frame.imageSha256, frame.inputSha256], options, model);

/** What pictures are recognised with. */
export interface Recognising {
  readonly recogniser: Recogniser;
  readonly model: ModelIdentity;
  readonly options: AnalysisOptions;
}

/** Recognises the frame of one scene and draws into its picture. */
export async function recogniseFrame(
  attempt: Attempt,
  { recogniser, model, options }: Recognising,
  item: ItemRow,
  { signal, reached }: ItemTools,
): Promise<ItemOutcome> {
  const { storage, config } = attempt.deps;
  const source = frameOf(item);
  const { width, height, scene, imageUri } = source;
  const read = (uri: string) => storage.getBytes(uri, { maxBytes: config.limits.uploadBytes, signal });
  const onStage = async (stage: Stage, pid: number): Promise<void> => {
    if (stage === 'annotate') reached('recognise');
    await failpoint(`video.${stage}`, String(item.ordinal), pid);
  };
  const input = await read(source.inputUri);
  const { detections, annotated } = await recogniser.frame(
    {
      name: `Scene ${item.ordinal}`,
      input,
      size: { width, height },
      ...(options.annotate && { picture: await read(imageUri) }),
    },
    {
      model,
      owner: attempt.job.owner,
      ...wantedOf(options),
      annotate: options.annotate,
      signal,
      limits: {
        bytes: config.limits.uploadBytes,
        pixels: config.limits.videoPixels,
        frames: config.limits.photoFrames,
      },
      onStage,
    },
  );
  const { filename, imageBytes: bytes, imageSha256: sha256, imageCrc32: crc32 } = source;
  const recognised: Recognised = {
    filename,
    sourceUri: imageUri,
    width,
    height,
    format: 'jpeg',
    model,
    scoreThreshold: options.scoreThreshold,
    detections,
    annotated,
    frame: { scene, image: { uri: imageUri, bytes, sha256, ...(crc32 !== undefined && { crc32 }) } },
  };
  return outcomeOf(item, recognised, storage.bucket);
}
