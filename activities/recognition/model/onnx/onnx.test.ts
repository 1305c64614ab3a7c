import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { tensor } from '../../testing/models.ts';
import { encodeOnnx, int64Tensor, onnxMetadata } from './onnx.ts';
import { integer } from './protobuf.ts';

const graph = {
  name: 'shifted',
  inputs: [{ name: 'x', dims: [1, 4] }],
  outputs: [{ name: 'y', dims: [2, 2] }],
  nodes: [
    { op: 'Add', inputs: ['x', 'three'], output: 'sum' },
    { op: 'Reshape', inputs: ['sum', 'shape'], output: 'y' },
  ],
  initializers: [{ name: 'three', dims: [1], data: Float32Array.of(3) }, int64Tensor('shape', [2, -1])],
};

describe('encodeOnnx', () => {
  it('writes what ONNX Runtime runs', async () => {
    const session = await InferenceSession.create(encodeOnnx(graph));
    const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(0, 1, 2, 3), [1, 4]) });
    expect(y).toMatchObject({ dims: [2, 2], data: Float32Array.of(3, 4, 5, 6) });
  });

  it('gives back its metadata, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' })),
        (metadata) => {
          expect(onnxMetadata(encodeOnnx({ ...graph, metadata }))).toEqual({ ...metadata });
        },
      ),
      { numRuns: 50, examples: [[JSON.parse('{"__proto__": "a key as any other"}')]] },
    );
  });

  it('reads what is no model without running away', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          onnxMetadata(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });

  it('writes varints as the format does', () => {
    expect([...integer(1, 150)]).toEqual([0x08, 0x96, 0x01]);
    expect([...integer(1, -1)]).toEqual([0x08, ...Array<number>(9).fill(0xff), 0x01]);
  });
});

it('the test tensors are row-major', () => {
  expect([...tensor([2, 3], [[1, 2], 5]).data]).toEqual([0, 0, 0, 0, 0, 5]);
});
