/** Classes as tensors: what is made of a classifier's outputs, and said of a detector's boxes. */
import { writeElements } from './elements.ts';
import type { Port, Tensor } from './tensor.ts';

export interface FoundClass {
  readonly classId: number;
  readonly label: string;
  /** 0–1. */
  readonly score: number;
}

export const classPorts: readonly Port[] = [
  { name: 'class_id', datatype: 'INT64', shape: [-1] },
  { name: 'score', datatype: 'FP32', shape: [-1] },
  { name: 'label', datatype: 'BYTES', shape: [-1] },
];

/** The tensors of {@link classPorts}, row by row, of a shape that has as many elements. */
export const classTensors = (
  found: readonly FoundClass[],
  shape: readonly number[] = [found.length],
): Tensor[] => [
  {
    name: 'class_id',
    datatype: 'INT64',
    shape: [...shape],
    data: longs(found.map(({ classId }) => classId)),
  },
  { name: 'score', datatype: 'FP32', shape: [...shape], data: floats(found.map(({ score }) => score)) },
  {
    name: 'label',
    datatype: 'BYTES',
    shape: [...shape],
    data: writeElements(found.map(({ label }) => Buffer.from(label))),
  },
];

export const longs = (values: readonly number[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
export const floats = (values: readonly number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);
