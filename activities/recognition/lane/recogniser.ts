/** Recognition as whoever holds credentials calls it: in lanes, which are opened when they are needed. */
import type { ModelIdentity } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform';
import type { AnalyseOptions, Analysis } from '../analyse.ts';
import type { FrameAnalysis } from '../analyse-frame.ts';
import { noDetector, requireDetector, type Understanding } from '../model/understanding/understand.ts';
import type { Size } from '../picture/fit.ts';
import type { RecogniserConfig } from './build.ts';
import { type AskOptions, ModelLanes, poolOptions } from './lanes.ts';

export { holdingOf, type RecogniserConfig } from './build.ts';

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
  /** How a version is understood, by default the worker's own as it is now; opens it where that is not known. Throws `unsupported_model` with what to do. */
  model(version?: ModelIdentity): Promise<Understanding>;
  /**
   * As `analyse`, and takes the bytes along. Throws what that throws, besides `poisonous_item`, `item_timeout`, `memory_limit` for a file that ends
   * its lane when it is alone there; what opening a lane of that version throws.
   */
  photo(photo: Photo, options: RecogniseOptions): Promise<Analysis>;
  /** As `analyseFrame`, and as `photo`. */
  frame(frame: FramePictures, options: RecogniseOptions): Promise<FrameAnalysis>;
  /** Ends the lanes. */
  close(): Promise<void>;
}

/** Of the worker's own model alone. `foreign` is the URL of a module for files that libvips does not read (`ForeignModule`); without it, HEIC is refused. */
export const openRecogniser = (config: RecogniserConfig, foreign?: string): Recogniser =>
  recogniserIn(new ModelLanes(config, { foreign }));

export function recogniserIn(lanes: ModelLanes): Recogniser {
  return {
    get pids() {
      return lanes.pids;
    },
    model: async (version) => {
      if (version !== undefined) return requireDetector(await lanes.understanding(version));
      const { card, identity } = await lanes.own();
      // Known without opening it.
      if (card.task === 'classifier') throw noDetector(identity.name);
      return requireDetector(await lanes.understanding(identity));
    },
    photo: (photo, options) => recognisePhoto(lanes, photo, options),
    async frame({ name, input, size, picture }, options) {
      const item = {
        name,
        params: { ...paramsOf(options), size },
        bodies: picture === undefined ? [input] : [input, picture],
      };
      const { result, bodies } = await lanes.askOf(options.model)('frame', item, poolOptions(options));
      for (const bytes of item.bodies) releaseMemory(bytes);
      return { ...result, model: options.model, ...annotatedOf(bodies) };
    },
    close: () => lanes.close(),
  };
}

/** As `Recogniser.photo`. */
export async function recognisePhoto(
  lanes: Pick<ModelLanes, 'askOf'>,
  { name, bytes }: Photo,
  options: RecogniseOptions,
): Promise<Analysis> {
  const item = { name, params: paramsOf(options), bodies: [bytes] };
  const { result, bodies } = await lanes.askOf(options.model)('photo', item, poolOptions(options));
  releaseMemory(bytes);
  return { ...result, model: options.model, ...annotatedOf(bodies) };
}

const paramsOf = ({ model: _, owner: __, signal: ___, onStage: ____, ...params }: RecogniseOptions) => params;

function annotatedOf([picture]: readonly Uint8Array[]): { annotated?: Buffer } {
  return picture === undefined
    ? {}
    : { annotated: Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength) };
}
