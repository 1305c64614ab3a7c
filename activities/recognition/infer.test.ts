import { dataFromJson, numbersOf } from '@darkroom/prediction/tensors/json.ts';
import { bytesOf, type NumericDatatype, type NumericTensor } from '@darkroom/prediction/tensors/tensor.ts';
import { expect, it } from 'vitest';
import { inferTensors } from './infer.ts';
import { brightnessModel, madeClassifier, openAnyFile } from './testing/models.ts';

const most = 1e6;
const filled = (name: string, datatype: NumericDatatype, shape: number[], value: number): NumericTensor => {
  const header = { name, datatype, shape };
  const json = Array(shape.reduce((product, axis) => product * axis, 1)).fill(value);
  return { ...header, data: dataFromJson(header, json, 'utf8') };
};
const scoreOf = ({ datatype, data }: { datatype: string; data: Uint8Array }, row: number): number =>
  Number(numbersOf(datatype as NumericDatatype, data)[row * 5 * 84 + 4 * 84]);

it.each([
  ['float32', 'FP32', Math.fround(0.1)],
  ['float16', 'FP16', Math.f16round(0.1)],
] as const)('a model of %s takes and gives %s, exactly', async (type, datatype, exact) => {
  const model = await openAnyFile(await brightnessModel({ batch: 'batch', type }));
  const input = filled('images', datatype, [2, 3, 64, 64], 0.1);
  // The second of the batch is dark.
  input.data.fill(0, bytesOf(input) / 2);
  const { outputs, best } = await inferTensors([input], { model, outputs: ['output0'], most });
  const [output] = outputs;
  expect(output).toMatchObject({ name: 'output0', datatype, shape: [2, 5, 84] });
  expect(scoreOf(output!, 0)).toBeCloseTo(exact, 5);
  expect(scoreOf(output!, 1)).toBe(0);
  expect(Number(numbersOf(datatype, output!.data)[0])).toBe(32);
  expect(best).toBeNull();
  await model.close();
});

it('a classifier’s classes are told of what it gives', async () => {
  const model = await openAnyFile(await madeClassifier());
  const input = filled('image', 'FP32', [1, 3, 224, 224], 0.5);
  const ask = (outputs: string[], limit = most) => inferTensors([input], { model, outputs, most: limit });
  const { outputs, best, timings } = await ask(['label', 'logits', 'class_id', 'score']);
  expect(outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
    ['label', 'BYTES', [1]],
    ['logits', 'FP32', [1, 1000]],
    ['class_id', 'INT64', [1]],
    ['score', 'FP32', [1]],
  ]);
  const logits = [...(numbersOf('FP32', outputs[1]!.data) as Float32Array)];
  expect(best?.classId).toBe(logits.indexOf(Math.max(...logits)));
  expect(Buffer.from(outputs[0]!.data).toString()).toContain(best?.label);
  expect(timings).toHaveProperty('recognise');
  await expect(ask(['depth'])).rejects.toMatchObject({ code: 'invalid_request' });
  await expect(ask(['logits'], 3999)).rejects.toMatchObject({ code: 'too_large' });
  for (const wrong of [
    { ...input, name: 'images' },
    { ...input, shape: [1, 3, 224, 223] },
    { ...input, datatype: 'FP16' as const },
    { ...input, data: input.data.subarray(4) },
  ])
    await expect(inferTensors([wrong], { model, outputs: ['logits'], most })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  const none = { ...input, data: input.data.map(() => 0xff) };
  expect(await inferTensors([none], { model, outputs: ['logits'], most })).toMatchObject({ best: null });
});
