/** Recognition as whoever holds credentials calls it: in lanes, which are opened when they are needed. */
import { releaseMemory } from '@darkroom/platform';
import type { AnalyseOptions, Analysis } from '../analyse.ts';
import type { FrameAnalysis } from '../analyse-frame.ts';
import { requireDetector, type Understanding } from '../model/understanding/understand.ts';
import type { Size } from '../picture/fit.ts';
import {
  type AskOptions,
  openLanes,
  poolOptions,
  type RecogniserConfig,
  type RecognitionLanes,
} from './lanes.ts';

export { holdingOf, type RecogniserConfig } from './lanes.ts';

export interface RecogniseOptions extends Omit<AnalyseOptions, 'decodeForeign' | 'signal'>, AskOptions {}

export interface Photo {
  /** For messages. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface FramePictures {
  /** For messages. */
  readonly name: string;
  /** PNG of the size that `fit` lays a picture of `size` into the model's input with. */
  readonly input: Buffer;
  /** Of the full picture, pixels. */
  readonly size: Size;
  /** JPEG at full size, where it is to be drawn into. */
  readonly picture?: Buffer;
}

export interface Recogniser {
  /** Processes of its lanes. */
  readonly pids: readonly number[];
  /** The model as it is understood now. Throws `unsupported_model` with what to do. */
  model(): Promise<Understanding>;
  /**
   * As `analyse`, and takes the bytes along. Throws what that throws, besides `poisonous_item`, `item_timeout`, `memory_limit` for a file that ends
   * its lane when it is alone there; `unsupported_model` where another version of the model lies on the disk by now.
   */
  photo(photo: Photo, options: RecogniseOptions): Promise<Analysis>;
  /** As `analyseFrame`, and as `photo`. */
  frame(frame: FramePictures, options: RecogniseOptions): Promise<FrameAnalysis>;
  /** Ends the lanes. */
  close(): Promise<void>;
}

/** `foreign` is the URL of a module for files that libvips does not read (`ForeignModule`); without it, HEIC is refused. */
export function openRecogniser(config: RecogniserConfig, foreign?: string): Recogniser {
  const lanes = openLanes(config, { foreign });
  return {
    get pids() {
      return lanes.pids;
    },
    model: async () => requireDetector(await lanes.told()),
    photo: (photo, options) => recognisePhoto(lanes, photo, options),
    async frame({ name, input, size, picture }, options) {
      const item = {
        name,
        params: { ...paramsOf(options), size },
        bodies: picture === undefined ? [input] : [input, picture],
      };
      const { result, bodies } = await lanes.ask('frame', item, poolOptions(options));
      for (const bytes of item.bodies) releaseMemory(bytes);
      return { ...result, model: options.model, ...annotatedOf(bodies) };
    },
    close: () => lanes.close(),
  };
}

/** As `Recogniser.photo`. */
export async function recognisePhoto(
  lanes: RecognitionLanes,
  { name, bytes }: Photo,
  options: RecogniseOptions,
): Promise<Analysis> {
  const item = { name, params: paramsOf(options), bodies: [bytes] };
  const { result, bodies } = await lanes.ask('photo', item, poolOptions(options));
  releaseMemory(bytes);
  return { ...result, model: options.model, ...annotatedOf(bodies) };
}

const paramsOf = ({ model: _, owner: __, signal: ___, onStage: ____, ...params }: RecogniseOptions) => params;

function annotatedOf([picture]: readonly Uint8Array[]): { annotated?: Buffer } {
  return picture === undefined
    ? {}
    : { annotated: Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength) };
}
