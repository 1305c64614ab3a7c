import { expect, it } from 'vitest';
import { fit } from '../../picture/fit.ts';
import { brightnessModel, constantModel, openFile, tensor } from '../../testing/models.ts';
import { detect } from '../detect.ts';
import type { Model } from '../session.ts';
import { batchOf } from './feeds.ts';

const size = { width: 64, height: 64 };

/** What the model finds in a picture all of one brightness, 0–1. */
async function found(model: Model, brightness: number) {
  const data = new Float32Array(3 * 64 * 64).fill(brightness);
  const outputs = await model.infer({ data, dims: [1, 3, 64, 64] });
  const placed = fit(size, size, model.input.fit);
  return detect(outputs, model, placed, size, { threshold: 0.1 });
}

it.each([
  ['half precision', { batch: 1, type: 'float16' }],
  ['a batch of fixed size', { batch: 4, type: 'float32' }],
  ['both', { batch: 3, type: 'float16' }],
  ['a batch left open', { batch: 'batch', type: 'float32' }],
] as const)('a model with %s sees the picture, and nothing beside it', async (_, how) => {
  const model = await openFile(await brightnessModel(how));
  expect(model).toMatchObject({ head: 'yolov8', input: { dtype: how.type, width: 64 } });
  // Exact in half precision.
  for (const brightness of [0.75, 0.25])
    expect(await found(model, brightness)).toMatchObject([
      { score: brightness, box: { x: 16, y: 16, width: 32, height: 32 } },
    ]);
});

it('refuses a batch that nobody fills, and inputs that nothing is known for, by name', async () => {
  expect(() => batchOf({ name: 'images', type: 'float32', dims: [128, 3, 640, 640] })).toThrow(
    /images takes 128/,
  );
  const odd = constantModel({
    others: [{ name: 'scale_factor', dims: [1, 2] }],
    outputs: { output0: tensor([1, 8, 84]) },
  });
  await expect(openFile(await odd)).rejects.toMatchObject({
    code: 'unsupported_model',
    message: expect.stringContaining('scale_factor [1,2]'),
  });
});
