import { beforeAll, describe, expect, it } from 'vitest';
import { type Inference, openInference } from '../../model/inference.ts';
import { madeClassifier } from '../../testing/models.ts';
import { requireSameInput, tensors } from '../../testing/oracle.ts';
import { efficientNetLite0ToOnnx } from './convert.ts';

let inference: Inference;
beforeAll(async () => {
  inference = await openInference({ path: await madeClassifier(), device: 'cpu', threads: 1 });
});

const side = 224;
const inputs: Record<string, (i: number) => number> = {
  scattered: (i) => (((i * 7919) % 255) - 127) / 128,
  waves: (i) => ((Math.floor(((i % side) * (Math.floor(i / side) % side)) / 97) % 255) - 127) / 128,
};

describe('the converted classifier', () => {
  it.each(Object.keys(tensors))('answers as PyTorch does on its own weights: %s', async (name) => {
    const data = Float32Array.from({ length: 3 * side * side }, (_, i) => inputs[name]?.(i) ?? 0);
    const bigEndian = Buffer.alloc(4 * data.length);
    for (const [i, value] of data.entries()) bigEndian.writeFloatBE(value, 4 * i);
    requireSameInput(name, bigEndian);
    const { logits } = await inference.run({ image: { type: 'float32', data, dims: [1, 3, side, side] } });
    expect(logits?.dims).toEqual([1, 1000]);
    const apart = tensors[name]?.map((value, i) => Math.abs(value - (logits?.data[i] ?? Number.NaN))) ?? [];
    expect(apart).toHaveLength(1000);
    expect(Math.max(...apart)).toBeLessThan(1e-4);
  });

  it('is made of its own weights alone', () => {
    expect(() => efficientNetLite0ToOnnx(new Map())).toThrow(
      '_conv_stem.weight is [missing], not [32,3,3,3]',
    );
  });
});
