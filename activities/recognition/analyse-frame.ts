/** One frame of a video: its input was made when it was decoded, its picture is read only to be drawn into. */
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import sharp from 'sharp';
import { type AnalyseOptions, recognise } from './analyse.ts';
import { annotate } from './draw/annotate.ts';
import type { Detection } from './model/detection.ts';
import type { Model } from './model/session.ts';
import { fit, type Size } from './picture/fit.ts';
import { decode, normalise } from './picture/prepare.ts';
import type { Hooks, Stage } from './stages.ts';

export interface Frame {
  /** Taken along, its memory given back. PNG of the size that `fit` lays a picture of `size` into the model's input with. */
  readonly input: Buffer;
  /** Of the full picture, pixels. */
  readonly size: Size;
  /** JPEG at full size; asked for only where it is drawn into. */
  picture(): Promise<Buffer>;
}

export interface FrameAnalysis {
  readonly model: ModelIdentity;
  /** As of a photo; boxes in pixels of the full picture. */
  readonly detections: readonly Detection[];
  readonly annotated?: Buffer;
}

/**
 * Analyses one frame. Throws the signal's reason, and an Error when the input does not have the size that the model asks for.
 */
export async function analyseFrame(
  frame: Frame,
  options: AnalyseOptions & { readonly model: Model },
  { onStage }: Hooks = {},
): Promise<FrameAnalysis> {
  const { model, signal } = options;
  const enter = async (stage: Stage): Promise<void> => {
    signal?.throwIfAborted();
    await onStage?.(stage);
    signal?.throwIfAborted();
  };
  const pixels = options.annotate ? frame.size.width * frame.size.height : 0;
  return model.room.run(
    { pixels, format: 'jpeg' },
    async () => {
      await enter('prepare');
      const placed = fit(frame.size, model.input, model.input.fit);
      const { data, info } = await sharp(frame.input).raw().toBuffer({ resolveWithObject: true });
      if (info.width !== placed.width || info.height !== placed.height || info.channels !== 3) {
        const has = `${info.width} × ${info.height} × ${info.channels}`;
        throw new ProblemError(
          'internal',
          `The frame's input is ${has}, the model asks for ${placed.width} × ${placed.height} × 3.`,
        );
      }
      const tensor = normalise(data, placed, model.input);
      releaseMemory(data);
      releaseMemory(frame.input);
      await enter('recognise');
      const detections = await recognise(model, tensor, placed, frame.size, options);
      if (!options.annotate) return { model: model.identity, detections };
      await enter('annotate');
      const picture = await frame.picture();
      const raster = await decode(picture, options.limits);
      releaseMemory(picture);
      try {
        return { model: model.identity, detections, annotated: await annotate(raster, detections) };
      } finally {
        releaseMemory(raster.data);
      }
    },
    signal,
  );
}
