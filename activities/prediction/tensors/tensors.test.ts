import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readElements, writeElements } from './elements.ts';
import { dataFromJson, dataToJson } from './json.ts';
import {
  bytesOf,
  elementsOf,
  type NumericTensor,
  numericDatatypes,
  requireInputs,
  type TensorHeader,
} from './tensor.ts';

const problem = expect.objectContaining({ code: 'invalid_request' });
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const numeric: fc.Arbitrary<NumericTensor> = fc
  .record({ name: fc.string(), datatype: fc.constantFrom(...numericDatatypes), shape: shapes })
  .chain((header) => {
    const bytes = bytesOf(header);
    const ofAny = fc.uint8Array({ minLength: bytes, maxLength: bytes });
    const data = header.datatype === 'BOOL' ? ofAny.map((all) => all.map((value) => value & 1)) : ofAny;
    return data.map((data) => ({ ...header, data }));
  });

/** Elements in arrays within arrays, as a shape of at least two axes has them. */
function nested(values: readonly unknown[], shape: readonly number[]): unknown {
  const [length, ...rest] = shape;
  if (length === undefined) return values[0];
  const each = values.length / length;
  return Array.from({ length }, (_, i) => nested(values.slice(i * each, (i + 1) * each), rest));
}

describe('what is written is what is read', () => {
  test('of numbers in JSON, in a row and nested, but for those that JSON has no words for', () => {
    fc.assert(
      fc.property(numeric, (tensor) => {
        const text = thrown(() => dataToJson(tensor, 1e6));
        if (typeof text !== 'string') {
          expect(text).toEqual(problem);
          return;
        }
        const values: unknown[] = JSON.parse(text);
        const forms = [values];
        if (values.length > 0 && tensor.shape.length > 1)
          forms.push(nested(values, tensor.shape) as unknown[]);
        // Beyond 2^53 a reader of JSON has another number, which is refused.
        const isLost = (value: unknown): boolean => Number.isInteger(value) && !Number.isSafeInteger(value);
        const expected =
          /INT64/.test(tensor.datatype) && values.some(isLost) ? problem : new Uint8Array(tensor.data);
        for (const json of forms) {
          const read = thrown(() => dataFromJson(tensor, json, 'utf8'));
          expect(read instanceof Uint8Array ? new Uint8Array(read) : read).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('of bytes, binary and as base64', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (elements) => {
        const header: TensorHeader = { name: 'x', datatype: 'BYTES', shape: [elements.length] };
        const data = writeElements(elements);
        expect(readElements('x', data, elements.length).map((one) => [...one])).toEqual(
          elements.map((one) => [...one]),
        );
        const texts = elements.map((one) => Buffer.from(one).toString('base64'));
        expect(dataFromJson(header, texts, 'base64')).toEqual(data);
      }),
    );
  });

  test('of texts in JSON', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (texts) => {
        const header: TensorHeader = { name: 'x', datatype: 'BYTES', shape: [texts.length] };
        expect(JSON.parse(dataToJson({ ...header, data: dataFromJson(header, texts, 'utf8') }, 1e6))).toEqual(
          texts,
        );
      }),
    );
  });
});

test('bytes cut off, or of another number than the shape says, are refused', () => {
  const whole = writeElements([Buffer.from('ab'), Buffer.from('cde')]);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: whole.length - 1 }), (cut) => {
      expect(thrown(() => readElements('x', whole.subarray(0, cut), 2))).toEqual(problem);
    }),
  );
  for (const count of [0, 1, 3, 1e15]) expect(thrown(() => readElements('x', whole, count))).toEqual(problem);
});

test.each([
  ['UINT8', [1], [256]],
  ['UINT8', [1], [-1]],
  ['INT64', [1], [2 ** 53]],
  ['INT32', [1], [1.5]],
  ['FP16', [1], [65520]],
  ['FP32', [1], [1e39]],
  ['FP64', [1], [Number.POSITIVE_INFINITY]],
  ['FP32', [1], ['1']],
  ['FP32', [1], [null]],
  ['BOOL', [1], [2]],
  ['FP32', [2], [1]],
  ['FP32', [2, 2], [[1, 2], [3]]],
  ['FP32', [2, 2], [[1, 2], 3]],
  ['FP32', [2, 2], [[[1, 2]], [[3, 4]]]],
  ['FP32', [4], [[1, 2, 3, 4]]],
  ['FP32', [2 ** 40, 2 ** 40], [1]],
  ['FP32', [2 ** 40, 2 ** 40], [[1]]],
  ['FP32', [1], 1],
  ['FP32', [1], { length: 1 }],
  ['BYTES', [1], ['no base64!']],
  ['BYTES', [1], [7]],
] as const)('%s %j of %j is refused', (datatype, shape, json) => {
  const header: TensorHeader = { name: 'x', datatype, shape: [...shape] };
  expect(thrown(() => dataFromJson(header, json, 'base64'))).toEqual(problem);
});

test('a shape that nothing can count has no end, and an empty axis empties it', () => {
  expect([
    elementsOf([]),
    elementsOf([2, 3]),
    elementsOf([2 ** 53, 2]),
    elementsOf([2 ** 53, 2 ** 53, 0]),
  ]).toEqual([1, 6, Number.POSITIVE_INFINITY, 0]);
});

describe('inputs of a model', () => {
  const ports = [
    { name: 'a', datatype: 'FP32', shape: [-1, 2] },
    { name: 'b', datatype: 'INT64', shape: [1] },
  ];
  const a: NumericTensor = { name: 'a', datatype: 'FP32', shape: [3, 2], data: new Uint8Array(24) };
  const b: NumericTensor = { name: 'b', datatype: 'INT64', shape: [1], data: new Uint8Array(8) };

  test('are taken where they fit', () => {
    expect(thrown(() => requireInputs(ports, [b, a]))).toBeUndefined();
  });

  test.each([
    ['missing', [a]],
    ['no input of the model', [a, b, { ...a, name: 'c' }]],
    ['the model takes a FP32 [-1,2]', [{ ...a, datatype: 'FP16' }, b]],
    ['the model takes a FP32 [-1,2]', [{ ...a, shape: [3, 3] }, b]],
    ['the model takes a FP32 [-1,2]', [{ ...a, shape: [6] }, b]],
    ['no elements', [{ ...a, shape: [0, 2], data: new Uint8Array(0) }, b]],
    ['its shape takes 24', [{ ...a, data: new Uint8Array(23) }, b]],
    ['its shape takes', [{ ...a, shape: [2 ** 52, 2] }, b]],
  ] as const)('%s', (what, tensors) => {
    const error = thrown(() => requireInputs(ports, tensors as unknown as NumericTensor[]));
    expect(error).toEqual(problem);
    expect((error as Error).message).toContain(what);
  });
});
