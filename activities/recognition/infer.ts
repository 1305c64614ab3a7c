/** A run of a model on tensors of its own, as whoever knows it prepared them. */
import { ProblemError, type ScoredLabel } from '@darkroom/contract';
import { toldMemory } from '@darkroom/lane/child/memory.ts';
import { classTensors, type FoundClass } from '@darkroom/prediction/tensors/classes.ts';
import { numbersOf } from '@darkroom/prediction/tensors/json.ts';
import { type NumericTensor, requireInputs, type Tensor } from '@darkroom/prediction/tensors/tensor.ts';
import type { Output } from './model/detection.ts';
import { classify } from './model/heads/classifier.ts';
import type { AnyModel, Classifier } from './model/session.ts';
import { isClassifier } from './model/understanding/understand.ts';
import { type Hooks, inStages, type Stage } from './stages.ts';

export interface InferOptions {
  readonly model: AnyModel;
  /** Names; of a classifier `class_id`, `score` and `label` too. */
  readonly outputs: readonly string[];
  /** Of all outputs together, bytes. */
  readonly most: number;
}

export interface InferredTensors {
  readonly outputs: readonly Tensor[];
  /** Of a classifier's run on one picture. */
  readonly best: ScoredLabel | null;
  readonly timings: Partial<Record<Stage, number>>;
}

/**
 * Throws ProblemError `invalid_request` for inputs that the model does not take, outputs that it has not, and what it does not run on;
 * `too_large` for outputs that are, `memory_limit`.
 */
export async function inferTensors(
  inputs: readonly NumericTensor[],
  { model, outputs: wanted, most }: InferOptions,
  hooks: Hooks = {},
): Promise<InferredTensors> {
  const { tensors } = model;
  if (tensors === undefined) throw new TypeError(`${model.identity.name} is open without its inputs.`);
  requireInputs(tensors.inputs, inputs);
  const own = tensors.outputs.map(({ name }) => name);
  const { stage, timings } = inStages(hooks);
  // A classifier's classes are made of what it gives, whatever of that is wanted.
  const names = isClassifier(model) ? own : own.filter((name) => wanted.includes(name));
  const given = await stage('recognise', () => model.inferRaw(inputs, names)).catch((error: unknown) => {
    const known = toldMemory(error);
    throw known instanceof Error && !(known instanceof ProblemError) ? notRun(known) : known;
  });
  const classes = isClassifier(model) ? classesOf(given, model) : [];
  const there = [...given, ...(classes.length === 0 ? [] : classTensors(classes))];
  const outputs = wanted.map((name) => {
    const output = there.find((one) => one.name === name);
    if (output === undefined)
      throw new ProblemError(
        'invalid_request',
        `There is no output ${JSON.stringify(name)} of this; there are ${there.map(({ name }) => name).join(', ')}.`,
      );
    return output;
  });
  const [best = null, ...others] = classes;
  return { outputs: requireSmall(outputs, most), best: others.length === 0 ? best : null, timings };
}

const notRun = (cause: Error): ProblemError =>
  // Its first line: what follows is the runtime's own trace.
  new ProblemError('invalid_request', `The model does not run on that: ${cause.message.split('\n')[0]}`, {
    cause,
  });

/** The best class of each row of the batch; none where the outputs have no rows of classes, or no numbers. */
function classesOf(given: readonly NumericTensor[], model: Classifier): FoundClass[] {
  const [rows = 0] = given[0]?.shape ?? [];
  if (given.some(({ shape }) => shape[0] !== rows)) return [];
  try {
    return Array.from({ length: rows }, (_, row) => {
      const outputs = given.map(({ name, datatype, shape, data }): [string, Output] => {
        const each = data.length / rows;
        const values = numbersOf(datatype, data.subarray(row * each, (row + 1) * each)) as Iterable<
          number | bigint
        >;
        return [name, { dims: [1, ...shape.slice(1)], data: Float32Array.from(values, Number) }];
      });
      return classify(Object.fromEntries(outputs), model, 1);
    }).flat();
  } catch (error) {
    if (error instanceof ProblemError) return [];
    throw error;
  }
}

/** Throws ProblemError `too_large` for outputs that have more than `most` bytes together. */
export function requireSmall<T extends { readonly data: Uint8Array }>(
  outputs: readonly T[],
  most: number,
): readonly T[] {
  const bytes = outputs.reduce((sum, { data }) => sum + data.length, 0);
  if (bytes <= most) return outputs;
  throw new ProblemError(
    'too_large',
    `The outputs have ${bytes} bytes, and the limit is ${most} (LIMIT_INFERENCE_OUTPUT_BYTES). Name fewer of them.`,
  );
}
