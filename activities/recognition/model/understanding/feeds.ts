/** The inputs of a run: the picture, what some exports want beside it, and a batch of fixed size filled up. Pure. */
import { ProblemError } from '@darkroom/contract';
import type { Size } from '../../picture/fit.ts';
import type { Tensor } from '../../picture/prepare.ts';
import type { Output, Outputs } from '../detection.ts';
import type { Feed, Feeds } from '../inference.ts';
import { imageInput, type Port, shown } from './guess.ts';

/** A batch of fixed size costs as many pictures each time; beyond this it is a mistake of the export. */
const MOST_IN_BATCH = 64;

export interface Feeding {
  /** The inputs of a run on one picture; takes the tensor along. */
  feeds(tensor: Tensor): Feeds;
  /** What a run gave for that picture. */
  first(outputs: Outputs): Outputs;
}

/**
 * How a model with these inputs is fed with one picture at a time. A batch of fixed size is filled up with empty pictures, whose
 * outputs are left out. Throws `unsupported_model` that names an input which nothing is known to put into.
 */
export function feeding(inputs: readonly Port[], size: Size): Feeding {
  const image = imageInput(inputs);
  const batch = batchOf(image);
  const others = inputs
    .filter((port) => port !== image)
    .map((port) => [port.name, besides(port, batch, size)] as const);
  return {
    feeds: (tensor) => ({
      [image.name]: imageFeed(image, tensor, batch),
      ...Object.fromEntries(others.map(([name, make]) => [name, make()])),
    }),
    first: (outputs) =>
      batch === 1
        ? outputs
        : Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, firstOf(output, batch)])),
  };
}

/** Pictures that the input takes at once: 1 where the file leaves it open. */
export function batchOf({ name, dims: [batch] }: Port): number {
  if (typeof batch !== 'number' || batch < 1) return 1;
  if (batch <= MOST_IN_BATCH) return batch;
  throw new ProblemError(
    'unsupported_model',
    `The input ${name} takes ${batch} pictures at once; ${MOST_IN_BATCH} are the most that are filled up. Export the model with a batch of one.`,
  );
}

function imageFeed(port: Port, tensor: Tensor, batch: number): Feed {
  const dims = [batch, ...tensor.dims.slice(1)];
  if (tensor.data instanceof Uint8Array) return { type: 'uint8', data: filled(tensor.data, batch), dims };
  const data = filled(tensor.data, batch);
  return { type: port.type === 'float16' ? 'float16' : 'float32', data, dims };
}

function filled<T extends Float32Array | Uint8Array>(data: T, batch: number): T;
function filled(data: Float32Array | Uint8Array, batch: number): Float32Array | Uint8Array {
  if (batch === 1) return data;
  const all =
    data instanceof Uint8Array ? new Uint8Array(data.length * batch) : new Float32Array(data.length * batch);
  all.set(data);
  return all;
}

/** What goes into an input beside the picture; made anew for each run, which takes it along. */
function besides(port: Port, batch: number, { width, height }: Size): () => Feed {
  switch (port.name) {
    // RT-DETR and D-FINE: the size that boxes are to be given in.
    case 'orig_target_sizes':
      return () => ({
        type: 'int64',
        data: BigInt64Array.from({ length: 2 * batch }, (_, n) => BigInt(n % 2 === 0 ? width : height)),
        dims: [batch, 2],
      });
    // DETR as Hugging Face has it: 1 where there is picture, which is everywhere.
    case 'pixel_mask': {
      const [, rows, columns] = port.dims;
      const dims = [batch, rows === undefined ? height : sized(rows, height), sized(columns, width)];
      return () => ones(port, dims);
    }
    default:
      throw new ProblemError(
        'unsupported_model',
        `The model has an input ${shown([port])} that is none known here (pictures, orig_target_sizes, pixel_mask). Export it without.`,
      );
  }
}

const sized = (declared: number | string | undefined, otherwise: number): number =>
  typeof declared === 'number' && declared > 0 ? declared : otherwise;

function ones({ name, type }: Port, dims: readonly number[]): Feed {
  const length = dims.reduce((product, dim) => product * dim, 1);
  switch (type) {
    case 'int64':
      return { type, data: new BigInt64Array(length).fill(1n), dims };
    case 'bool':
    case 'uint8':
      return { type, data: new Uint8Array(length).fill(1), dims };
    case 'float32':
    case 'float16':
      return { type, data: new Float32Array(length).fill(1), dims };
    default:
      throw new ProblemError(
        'unsupported_model',
        `The input ${name} is ${type}; int64, bool, uint8 and float are known here.`,
      );
  }
}

function firstOf(output: Output, batch: number): Output {
  const [length, ...rest] = output.dims;
  if (length !== batch) return output;
  return { dims: [1, ...rest], data: output.data.slice(0, output.data.length / batch) };
}
