/** Predictions as whoever holds credentials has them made: by one model, classifier or detector, in lanes. */
import { ProblemError, type ProblemRecord } from '@darkroom/contract';
import { type Config, releaseMemory } from '@darkroom/platform';
import type { ClassifiedPhoto, ClassifyOptions } from '../classify.ts';
import { defaultClassifierPath } from '../model/default-classifier.ts';
import type { AnyUnderstanding } from '../model/understanding/understand.ts';
import { type AskOptions, openLanes, poolOptions, type RecogniserConfig } from './lanes.ts';
import { type Photo, type Recogniser, recognisePhoto } from './recogniser.ts';

export { holdingOf } from './lanes.ts';

export type ClassifyInLane = Pick<ClassifyOptions, 'limits' | 'topK'> & AskOptions;

/** What one picture of a list comes to. */
export type Classified = { readonly result: ClassifiedPhoto } | { readonly problem: ProblemRecord };

export interface PredictionLanes extends Pick<Recogniser, 'pids' | 'photo' | 'close'> {
  /** The model as it is understood now: `isClassifier` tells which of the two it is. Throws `unsupported_model` with what to do. */
  model(): Promise<AnyUnderstanding>;
  /**
   * Classifies pictures, taking their bytes along, each by itself: what becomes of one is nothing to the others. A problem is as `Recogniser.photo`
   * throws it. Throws what is no picture's own: the signal's reason, a failure of ours.
   */
  classify(pictures: readonly Photo[], options: ClassifyInLane): Promise<Classified[]>;
}

export interface PredictionsConfig extends RecogniserConfig {
  readonly predictions: Pick<Config['predictions'], 'modelPath'>;
}

/** With the model of predictions: the one that is named, else the default classifier. */
export function forPredictions({ recognition, predictions, lane }: PredictionsConfig): RecogniserConfig {
  const modelPath = predictions.modelPath ?? defaultClassifierPath(recognition.modelsDir);
  return { recognition: { ...recognition, modelPath, sharedPath: false }, lane };
}

/** Opens nothing before it is asked. `foreign`: as `openRecogniser` has it. */
export function openPredictions(config: PredictionsConfig, foreign?: string): PredictionLanes {
  const lanes = openLanes(forPredictions(config), { foreign, anyModel: true });
  const classifyOne = async ({ name, bytes }: Photo, options: ClassifyInLane): Promise<Classified> => {
    const { limits, topK } = options;
    try {
      const item = { name, params: { limits, topK }, bodies: [bytes] };
      const { result } = await lanes.ask('classify', item, poolOptions(options));
      // Not where it failed: what nobody waits for any more may still be on its way to a lane that others wait for.
      releaseMemory(bytes);
      return { result: { ...result, model: options.model } };
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
    model: () => lanes.told(),
    photo: (photo, options) => recognisePhoto(lanes, photo, options),
    classify: (pictures, options) => Promise.all(pictures.map((picture) => classifyOne(picture, options))),
    close: () => lanes.close(),
  };
}
