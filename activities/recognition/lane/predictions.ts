/** Predictions as whoever holds credentials has them made: by one model, classifier or detector, in lanes. */
import { type ModelIdentity, ProblemError, type ProblemRecord, type ScoredLabel } from '@darkroom/contract';
import { type Config, releaseMemory } from '@darkroom/platform';
import type { NumericTensor, Tensor } from '@darkroom/prediction/tensors/tensor.ts';
import type { ClassifiedPhoto, ClassifyOptions } from '../classify.ts';
import { defaultClassifierPath } from '../model/default-classifier.ts';
import type { AnyUnderstanding } from '../model/understanding/understand.ts';
import type { Stage } from '../stages.ts';
import type { RecogniserConfig } from './build.ts';
import { type AskOptions, ModelLanes, poolOptions } from './lanes.ts';
import { type Photo, type Recogniser, recognisePhoto } from './recogniser.ts';

export { holdingOf } from './build.ts';

export type ClassifyInLane = Pick<ClassifyOptions, 'limits' | 'topK' | 'outputs'> & AskOptions;

/** What one picture of a list comes to. */
export type Classified = { readonly result: ClassifiedPhoto } | { readonly problem: ProblemRecord };

/** What is asked of a model itself; `most`: bytes of all outputs together. */
export interface InferInLane extends AskOptions {
  readonly outputs: readonly string[];
  readonly most: number;
}

export interface Inferred {
  readonly outputs: readonly Tensor[];
  /** Of a classifier's run on one picture. */
  readonly best: ScoredLabel | null;
  readonly timings: Partial<Record<Stage, number>>;
}

export interface PredictionLanes extends Pick<Recogniser, 'pids' | 'photo' | 'close'> {
  /**
   * How a version is understood, by default the worker's own as it is now: `isClassifier` tells which of the two it is. Opens it where that is not
   * known; throws `unsupported_model` with what to do.
   */
  model(version?: ModelIdentity): Promise<AnyUnderstanding>;
  /**
   * Classifies pictures, taking their bytes along, each by itself: what becomes of one is nothing to the others. A problem is as `Recogniser.photo`
   * throws it. Throws what is no picture's own: the signal's reason, a failure of ours.
   */
  classify(pictures: readonly Photo[], options: ClassifyInLane): Promise<Classified[]>;
  /** Runs the model on tensors of its own. Throws as `Recogniser.photo`, and `invalid_request` for what it does not take. */
  infer(name: string, inputs: readonly NumericTensor[], options: InferInLane): Promise<Inferred>;
}

export interface PredictionsConfig extends RecogniserConfig {
  readonly predictions: Pick<Config['predictions'], 'modelPath'>;
}

/** With the model of predictions: the one that is named, else the default classifier. */
export function forPredictions({ recognition, predictions, lane }: PredictionsConfig): RecogniserConfig {
  const modelPath = predictions.modelPath ?? defaultClassifierPath(recognition.modelsDir);
  return { recognition: { ...recognition, modelPath, sharedPath: false }, lane };
}

/** Of the worker's own model alone; opens nothing before it is asked. `foreign`: as `openRecogniser` has it. */
export const openPredictions = (config: PredictionsConfig, foreign?: string): PredictionLanes =>
  predictionsIn(new ModelLanes(forPredictions(config), { foreign }));

export function predictionsIn(lanes: ModelLanes): PredictionLanes {
  const classifyOne = async ({ name, bytes }: Photo, options: ClassifyInLane): Promise<Classified> => {
    const { limits, topK, outputs: wanted } = options;
    try {
      const params = { limits, topK, ...(wanted && { outputs: [...wanted] }) };
      const item = { name, params, bodies: [bytes] };
      const { result: told, bodies } = await lanes.askOf(options.model)(
        'classify',
        item,
        poolOptions(options),
      );
      // Not where it failed: what nobody waits for any more may still be on its way to a lane that others wait for.
      releaseMemory(bytes);
      const { outputs, ...result } = told;
      return {
        result: { ...result, model: options.model, ...(outputs && { outputs: withData(outputs, bodies) }) },
      };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof ProblemError) return { problem: error.problem };
      throw error;
    }
  };
  return {
    get pids() {
      return lanes.pids;
    },
    model: async (version) => lanes.understanding(version ?? (await lanes.own()).identity),
    photo: (photo, options) => recognisePhoto(lanes, photo, options),
    classify: (pictures, options) => Promise.all(pictures.map((picture) => classifyOne(picture, options))),
    async infer(name, inputs, options) {
      const { outputs: wanted, most } = options;
      const params = {
        inputs: inputs.map(({ data: _, ...header }) => header),
        outputs: [...wanted],
        most,
      };
      const item = { name, params, bodies: inputs.map(({ data }) => data) };
      const { result, bodies } = await lanes.askOf(options.model)('infer', item, poolOptions(options));
      return { ...result, outputs: withData(result.outputs, bodies) };
    },
    close: () => lanes.close(),
  };
}

const withData = <H extends object>(headers: readonly H[], bodies: readonly Uint8Array[]) =>
  headers.map((header, i) => ({ ...header, data: bodies[i] ?? new Uint8Array() }));
