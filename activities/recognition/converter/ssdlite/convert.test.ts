import { beforeAll, expect, it } from 'vitest';
import type { Model } from '../../model/session.ts';
import { defaultModel } from '../../testing/models.ts';

let model: Model;
beforeAll(async () => {
  model = await defaultModel();
});

it('the converted detector answers as TensorFlow.js does', async () => {
  const data = new Float32Array(3 * 300 * 300).map((_, i) => ((i * 7919) % 511) / 255 - 1);
  const { boxes, scores, anchors } = await model.infer({ data, dims: [1, 3, 300, 300] });
  expect(anchors?.dims).toEqual([1, 1917, 4]);
  // Values that @tensorflow/tfjs 4.22 (CPU backend) gives for the same input of the unconverted graph.
  const expected: [Float32Array | undefined, number, number][] = [
    [scores?.data, 0, 0.9578403234481812],
    [scores?.data, 174_384, 0.693152666091919],
    [scores?.data, 173_929, 0.6867783665657043],
    [scores?.data, 169_470, 0.6866839528083801],
    [boxes?.data, 0, -1.0043920278549194],
    [boxes?.data, 1000, 0.3688793182373047],
    [boxes?.data, 5003, 0.760409951210022],
    [boxes?.data, 7667, 0.062087804079055786],
  ];
  for (const [values, index, value] of expected) expect(values?.[index]).toBeCloseTo(value, 4);
});
