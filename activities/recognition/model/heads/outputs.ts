/** Finding outputs by shape, as names differ from exporter to exporter. */
import { ProblemError } from '@darkroom/contract';
import type { Candidate, Output, Outputs } from '../detection.ts';

/** The outputs with their dimensions, for people. */
export const shapesOf = (outputs: Outputs): string =>
  Object.entries(outputs)
    .map(([name, { dims }]) => `${name} [${dims.join(',')}]`)
    .join(', ');

/** Throws `unsupported_model` naming the outputs the model has. */
export function refuse(outputs: Outputs, wanted: string): never {
  throw new ProblemError(
    'unsupported_model',
    `The model card's head needs ${wanted}; the model gives ${shapesOf(outputs)}. Correct "head" in the model card.`,
  );
}

/** The first output of one of the names for which `fits` holds, else the first of any name. */
export function find(
  outputs: Outputs,
  names: readonly string[],
  fits: (output: Output) => boolean,
): Output | undefined {
  const named = names.flatMap((name) => outputs[name] ?? []).find(fits);
  return named ?? Object.values(outputs).find(fits);
}

/** The first output whose dimensions fit, else `unsupported_model`. */
export function pick(outputs: Outputs, fits: (dims: readonly number[]) => boolean, wanted: string): Output {
  return Object.values(outputs).find(({ dims }) => fits(dims)) ?? refuse(outputs, wanted);
}

/** Best class of the row that starts at `start`: `count` values, `stride` apart. */
export function bestClass(
  data: Float32Array,
  start: number,
  count: number,
  stride = 1,
): { classId: number; value: number } {
  let classId = 0;
  let value = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < count; c++) {
    const current = data[start + c * stride] ?? Number.NEGATIVE_INFINITY;
    if (current > value) {
      value = current;
      classId = c;
    }
  }
  return { classId, value };
}

/** A candidate from a centre and a size. */
export function centred(
  classId: number,
  score: number,
  cx: number,
  cy: number,
  width: number,
  height: number,
): Candidate {
  return {
    classId,
    score,
    x1: cx - width / 2,
    y1: cy - height / 2,
    x2: cx + width / 2,
    y2: cy + height / 2,
  };
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
