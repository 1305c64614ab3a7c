/** Finding outputs by shape, as names differ from exporter to exporter. */
import { ProblemError } from '@darkroom/contract';
import type { Candidate, Output, Outputs } from '../detection.ts';

/** Throws `unsupported_model` naming the outputs the model has. */
export function refuse(outputs: Outputs, wanted: string): never {
  const shapes = Object.entries(outputs).map(([name, { dims }]) => `${name} [${dims.join(',')}]`);
  throw new ProblemError(
    'unsupported_model',
    `The model card's head needs ${wanted}; the model gives ${shapes.join(', ')}. Correct "head" in the model card.`,
  );
}

/** The output of that name, else the first for which `fits` holds, else `unsupported_model`. */
export function pick(
  outputs: Outputs,
  names: readonly string[],
  fits: (dims: readonly number[]) => boolean,
  wanted: string,
): Output {
  for (const name of names) {
    const named = outputs[name];
    if (named !== undefined && fits(named.dims)) return named;
  }
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
