/** From a classifier's outputs to what is reported: pure. */
import { ProblemError } from '@darkroom/contract';
import { rounded } from '@darkroom/platform/rounded.ts';
import { labelOf } from '../card/card.ts';
import type { Outputs } from '../detection.ts';
import type { ClassifierUnderstanding } from '../understanding/classifier.ts';
import { refuse } from './outputs.ts';

export interface Classification {
  readonly label: string;
  /** In the model's own list, from 0. */
  readonly classId: number;
  /** 0–1. */
  readonly score: number;
}

/** What is told where a request does not say. */
export const TOP_K = 5;

/**
 * The values of the classes of one picture: of outputs by the names that exporters give, else of the only one, the one that has one row of
 * at least two values. Undefined where there is none, or more than one.
 */
export function classValues(outputs: Outputs): Float32Array | undefined {
  const rows = Object.keys(outputs).filter((name) => isRow(outputs[name]?.dims ?? []));
  const named = usualNames.find((name) => rows.includes(name));
  const [first, ...others] = named === undefined ? rows : [named];
  return first === undefined || others.length > 0 ? undefined : outputs[first]?.data;
}

const usualNames = ['logits', 'probabilities', 'probs', 'scores', 'output', 'output0'];

/** Pooled to one row, or of a pooling that keeps its axes: [1, C], [1, C, 1, 1]. */
const isRow = ([pictures, classes = 1, ...rest]: readonly number[]): boolean =>
  pictures === 1 && classes > 1 && rest.every((dim) => dim === 1);

/**
 * The `topK` classes that a picture most likely shows, best first, those of equal scores by class id; scores rounded to 4 decimals. Logits
 * go through a softmax. Throws `unsupported_model` when the outputs are not a classifier's, or no numbers.
 */
export function classify(
  outputs: Outputs,
  model: Pick<ClassifierUnderstanding, 'outputs' | 'labels'>,
  topK = TOP_K,
): Classification[] {
  const values = classValues(outputs) ?? refuse(outputs, 'one output [1, classes]');
  if (!values.every(Number.isFinite))
    throw new ProblemError('unsupported_model', 'The model gives values that are no numbers.');
  const scores = model.outputs === 'logits' ? softmax(values) : Float64Array.from(values);
  return highest(scores, topK).map((classId) => ({
    label: labelOf(model.labels, classId),
    classId,
    score: rounded(scores[classId] ?? 0, 4),
  }));
}

/** Indices of the `count` highest values, highest first, the first of equal ones first. All of them are never sorted: there may be thousands. */
function highest(values: Float64Array, count: number): number[] {
  const found: number[] = [];
  for (const [index, value] of values.entries()) {
    if (found.length === count && value <= (values[found[count - 1] ?? 0] ?? 0)) continue;
    const place = found.findLastIndex((other) => (values[other] ?? 0) >= value) + 1;
    found.splice(place, 0, index);
    if (found.length > count) found.pop();
  }
  return found;
}

/** Of logits, however large. */
export function softmax(logits: Float32Array): Float64Array {
  const highest = logits.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - highest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}
