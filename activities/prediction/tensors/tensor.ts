/**
 * Tensors as they travel: a header that says what they are, and their elements as raw bytes, row by row, little endian.
 * Names and sizes of datatypes: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md#tensor-data-types
 */
import { ProblemError } from '@darkroom/contract';
import { z } from 'zod';

/** Bytes of one element; those of BYTES have a length each. */
export const elementBytes = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
} as const;
export type NumericDatatype = keyof typeof elementBytes;
export type Datatype = NumericDatatype | 'BYTES';

export const numericDatatypes = Object.keys(elementBytes) as [NumericDatatype, ...NumericDatatype[]];
export const datatypes: readonly [Datatype, ...Datatype[]] = [...numericDatatypes, 'BYTES'];

/** No model has more axes. */
export const mostAxes = 16;

const shape = z.array(z.int().min(0)).max(mostAxes);

/** What is said of a tensor; its elements are elsewhere. */
export const tensorHeader = z.object({ name: z.string(), datatype: z.enum(datatypes), shape });
export type TensorHeader = z.infer<typeof tensorHeader>;

/** One whose elements all have the same size. */
export const numericHeader = tensorHeader.extend({ datatype: z.enum(numericDatatypes) });
export type NumericHeader = z.infer<typeof numericHeader>;

export interface Tensor<Header extends TensorHeader = TensorHeader> extends z.infer<typeof tensorHeader> {
  readonly datatype: Header['datatype'];
  readonly data: Uint8Array;
}
export type NumericTensor = Tensor<NumericHeader>;

/** What is wrong with a tensor that somebody sent: their request's problem, in words that begin with its name. */
export const tensorProblem = (name: string, what: string): ProblemError =>
  new ProblemError('invalid_request', `The tensor ${JSON.stringify(name.slice(0, 100))} ${what}.`);

/** How many elements a shape has; one without axes has 1. Infinity where no number counts them. */
export function elementsOf(shape: readonly number[]): number {
  // A product in any order: what is empty in one axis is empty, however long the others are.
  if (shape.includes(0)) return 0;
  const count = shape.reduce((product, axis) => product * axis, 1);
  return Number.isSafeInteger(count) ? count : Number.POSITIVE_INFINITY;
}

/** Bytes that the elements of such a tensor have. */
export const bytesOf = ({ datatype, shape }: Pick<NumericHeader, 'datatype' | 'shape'>): number =>
  elementsOf(shape) * elementBytes[datatype];

export const isNumeric = (header: TensorHeader): header is NumericHeader => header.datatype !== 'BYTES';

/** An input or output that a model has. */
export interface Port {
  readonly name: string;
  readonly datatype: string;
  /** -1 where the file leaves an axis open. */
  readonly shape: readonly number[];
}

export const shown = ({ name, datatype, shape }: Port): string => `${name} ${datatype} [${shape.join(',')}]`;

/**
 * Throws ProblemError `invalid_request` unless the tensors are just the inputs that a model has, each of its datatype and of a shape that
 * fits, with as many bytes as that takes.
 */
export function requireInputs(ports: readonly Port[], tensors: readonly NumericTensor[]): void {
  const wanted = ports.map(shown).join(', ');
  for (const port of ports)
    if (!tensors.some(({ name }) => name === port.name))
      throw tensorProblem(port.name, `is missing; the model takes ${wanted}`);
  for (const tensor of tensors) {
    const port = ports.find(({ name }) => name === tensor.name);
    if (port === undefined)
      throw tensorProblem(tensor.name, `is no input of the model, which takes ${wanted}`);
    if (tensor.datatype !== port.datatype || !fits(tensor.shape, port.shape))
      throw tensorProblem(tensor.name, `is ${shown(tensor)}; the model takes ${shown(port)}`);
    const bytes = bytesOf(tensor);
    if (bytes === 0) throw tensorProblem(tensor.name, 'has no elements');
    if (tensor.data.length !== bytes)
      throw tensorProblem(tensor.name, `has ${tensor.data.length} bytes, and its shape takes ${bytes}`);
  }
}

const fits = (shape: readonly number[], of: readonly number[]): boolean =>
  shape.length === of.length && of.every((axis, i) => axis === -1 || axis === shape[i]);
