/** One photo from bytes to the classes it most likely shows: read once, decoded once. */
import type { ModelIdentity } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import type { NumericTensor } from '@darkroom/prediction/tensors/tensor.ts';
import type { AnalyseOptions, Analysis } from './analyse.ts';
import { type Classification, classify } from './model/heads/classifier.ts';
import type { Classifier } from './model/session.ts';
import { ownOutputs } from './model/understanding/tensors.ts';
import { decode } from './picture/prepare.ts';
import { preprocess } from './picture/resize/preprocess.ts';
import { told } from './picture/room.ts';
import { sniff } from './picture/sniff.ts';
import { type Hooks, inStages } from './stages.ts';

export interface ClassifyOptions extends Pick<AnalyseOptions, 'limits' | 'decodeForeign' | 'signal'> {
  /** How many classes are told. */
  readonly topK: number;
  /** Names of outputs of the model itself that are wanted beside them. */
  readonly outputs?: readonly string[] | undefined;
}

export interface ClassifiedPhoto extends Pick<Analysis, 'width' | 'height' | 'format' | 'timings'> {
  readonly model: ModelIdentity;
  /** Best first. */
  readonly classes: readonly Classification[];
  /** Those that were wanted, of one picture. */
  readonly outputs?: readonly NumericTensor[];
}

/**
 * Classifies one photo. Throws a `ProblemError` (codes: see `probe`, `decode`) or the signal's reason; the signal is looked at between
 * stages and while waiting for the model.
 */
export async function classifyPhoto(
  bytes: Buffer,
  options: ClassifyOptions & { readonly model: Classifier },
  hooks: Hooks = {},
): Promise<ClassifiedPhoto> {
  const { model, limits, topK, signal } = options;
  const foreign = sniff(bytes).kind === 'heic' ? options.decodeForeign : undefined;
  const { stage, timings } = inStages(hooks, signal);
  const picture = await stage('probe', () => told(bytes, limits, foreign !== undefined));
  const { format, orientation } = picture;
  return model.room.run(
    picture,
    async () => {
      const { width, height, tensor } = await stage('prepare', async () => {
        const raster = await (foreign?.(bytes, limits) ??
          decode(bytes, limits, { alpha: model.preprocess.alpha, orientation }));
        const prepared = await preprocess(raster, model.preprocess);
        releaseMemory(raster.data);
        return { width: raster.width, height: raster.height, tensor: prepared };
      });
      const given = await stage('recognise', () => model.infer(tensor));
      const classes = classify(given, model, topK);
      const outputs = options.outputs && ownOutputs(given, model, options.outputs);
      return {
        ...{ width, height, format, model: model.identity, classes, timings },
        ...(outputs && { outputs }),
      };
    },
    signal,
  );
}
