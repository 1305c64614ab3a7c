/** Predictions in lanes of their own: by a classifier, the class of the whole picture; by a detector, that of what it is surest of. */
import { ProblemError } from '@darkroom/contract';
import { unlessAborted } from '@darkroom/lane';
import type { Config } from '@darkroom/platform';
import { inputsIn } from '@darkroom/prediction';
import { requireSmall } from '../infer.ts';
import type { ModelLanes } from '../lane/lanes.ts';
import { type PredictionLanes, predictionsIn } from '../lane/predictions.ts';
import { isClassifier } from '../model/understanding/understand.ts';
import type { Predicted, PredictOne } from './batch.ts';

/** Lowest score that a detector tells of, as of a task that does not say. */
const usualThreshold = 0.4;

export interface Predictor extends Pick<PredictionLanes, 'model' | 'close' | 'pids'> {
  readonly predict: PredictOne;
}

/** Opens nothing before it is asked. */
export function predictorIn(
  models: ModelLanes,
  config: Pick<Config, 'limits'> & {
    readonly predictions: Pick<Config['predictions'], 'bytes' | 'inferenceOutputBytes'>;
  },
): Predictor {
  const lanes = predictionsIn(models);
  const { photoPixels: pixels, photoFrames: frames } = config.limits;
  const mostOutputBytes = config.predictions.inferenceOutputBytes;
  const limits = { bytes: config.predictions.bytes, pixels, frames };

  const classified: PredictOne = async ({ filename, owner, topK, outputs: wanted }, bytes, using) => {
    const options = { topK, limits, outputs: wanted, owner, ...using };
    const [one] = await lanes.classify([{ name: filename, bytes }], options);
    if (one === undefined) throw new Error(`${filename} was not answered.`);
    if ('problem' in one) throw new ProblemError(one.problem.code, one.problem.detail);
    const { width, height, format, classes, outputs, timings } = one.result;
    const output = { width, height, format, top: [...classes] };
    return {
      ...bestOf(classes),
      output,
      ...(outputs && { outputs: requireSmall(outputs, mostOutputBytes) }),
      timings: stepsOf(timings),
    };
  };

  const detected: PredictOne = async (
    { filename, owner, threshold = usualThreshold },
    bytes,
    { model, signal },
  ) => {
    const { width, height, format, detections, timings } = await lanes.photo(
      { name: filename, bytes },
      { threshold, annotate: false, limits, model, owner, signal },
    );
    const output = { width, height, format, detections: [...detections] };
    return { ...bestOf(detections), output, timings: stepsOf(timings) };
  };

  const inferred: PredictOne = async ({ filename, owner, inference }, body, { model, signal }) => {
    if (inference === undefined) throw new Error(`${filename} asks for nothing.`);
    const { outputs, best, timings } = await lanes.infer(filename, inputsIn(inference, body), {
      outputs: inference.outputs,
      most: mostOutputBytes,
      model,
      owner,
      signal,
    });
    return { ...bestOf(best === null ? [] : [best]), output: null, outputs, timings: stepsOf(timings) };
  };

  return {
    get pids() {
      return lanes.pids;
    },
    model: (version) => lanes.model(version),
    close: () => lanes.close(),
    predict: async (item, picture, using) =>
      (item.inference !== undefined
        ? inferred
        : isClassifier(await unlessAborted(lanes.model(using.model), using.signal))
          ? classified
          : detected)(item, picture, using),
  };
}

type Found = { readonly classId: number; readonly label: string; readonly score: number };

const bestOf = ([best]: readonly Found[]): Pick<Predicted, 'result' | 'label' | 'score'> => ({
  result: best?.classId ?? null,
  label: best?.label ?? null,
  score: best?.score ?? null,
});

const stepsOf = ({ prepare, recognise }: Partial<Record<'prepare' | 'recognise', number>>) => ({
  ...(prepare !== undefined && { decode: prepare }),
  ...(recognise !== undefined && { infer: recognise }),
});
