/** One photo from bytes to detections and picture: read once, decoded once. */
import type { ModelIdentity } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import { annotate } from './draw/annotate.ts';
import { detect, type Wanted } from './model/detect.ts';
import type { Detection } from './model/detection.ts';
import type { Model } from './model/session.ts';
import type { Fit, Size } from './picture/fit.ts';
import { decode, type PhotoLimits, type Raster, type Tensor, toTensor } from './picture/prepare.ts';
import { told } from './picture/room.ts';
import { type PhotoFormat, sniff } from './picture/sniff.ts';
import { type Hooks, inStages, type Stage } from './stages.ts';

/** Decodes a picture that libvips does not read: upright sRGB. Throws ProblemError. */
export type ForeignDecoder = (bytes: Buffer, limits: PhotoLimits) => Raster | Promise<Raster>;

export interface AnalyseOptions extends Wanted {
  readonly annotate: boolean;
  readonly limits: PhotoLimits;
  /** For HEIC; without it, HEIC is refused. */
  readonly decodeForeign?: ForeignDecoder;
  readonly signal?: AbortSignal;
}

export interface Analysis {
  /** After EXIF orientation, as boxes are. */
  readonly width: number;
  readonly height: number;
  readonly format: PhotoFormat | 'heic';
  readonly model: ModelIdentity;
  /** Best first; score rounded to 4 decimals, box to hundredths of a pixel. */
  readonly detections: readonly Detection[];
  /** JPEG at full size, when asked for. */
  readonly annotated?: Buffer;
  /** Milliseconds each stage took. */
  readonly timings: Readonly<Partial<Record<Stage, number>>>;
}

/**
 * Analyses one photo. Throws a `ProblemError` (codes: see `probe`, `decode`) or the signal's reason; the signal is looked at
 * between stages and while waiting for the model, as a decode or a run cannot be interrupted.
 */
export async function analyse(
  bytes: Buffer,
  options: AnalyseOptions & { readonly model: Model },
  hooks: Hooks = {},
): Promise<Analysis> {
  const { model, limits, signal } = options;
  const foreign = sniff(bytes).kind === 'heic' ? options.decodeForeign : undefined;
  const { stage, timings } = inStages(hooks, signal);
  const picture = await stage('probe', () => told(bytes, limits, foreign !== undefined));
  const { format, orientation } = picture;
  return model.room.run(
    picture,
    async () => {
      const { raster, tensor, placed } = await stage('prepare', async () => {
        const decoded = await (foreign?.(bytes, limits) ?? decode(bytes, limits, { orientation }));
        return { raster: decoded, ...(await toTensor(decoded, model.input)) };
      });
      try {
        const detections = await stage('recognise', () => recognise(model, tensor, placed, raster, options));
        const drawn = options.annotate
          ? { annotated: await stage('annotate', () => annotate(raster, detections)) }
          : {};
        signal?.throwIfAborted();
        const { width, height } = raster;
        return { width, height, format, model: model.identity, detections, ...drawn, timings };
      } finally {
        releaseMemory(raster.data);
      }
    },
    signal,
  );
}

/** What the model finds in a picture of size `source` that was placed so; takes the tensor's memory along. */
export async function recognise(
  model: Model,
  tensor: Tensor,
  placed: Fit,
  source: Size,
  options: Wanted,
): Promise<Detection[]> {
  const outputs = await model.infer(tensor);
  try {
    return detect(outputs, model, placed, source, options);
  } finally {
    for (const { data } of Object.values(outputs)) releaseMemory(data);
  }
}
