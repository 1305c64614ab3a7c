import { beforeAll, expect, it } from 'vitest';
import { classifyPhoto } from './classify.ts';
import type { Classifier } from './model/session.ts';
import { requireClassifier } from './model/understanding/understand.ts';
import { crops } from './testing/crops.ts';
import { limits, madeClassifier, openAnyFile } from './testing/models.ts';
import { pictures, requireSameInput } from './testing/oracle.ts';
import { sample } from './testing/samples.ts';

let model: Classifier;
beforeAll(async () => {
  model = requireClassifier(await openAnyFile(await madeClassifier()));
});

it.each([
  ['cat.jpg', 'Egyptian cat'],
  ['espresso.jpg', 'espresso'],
])('%s shows: %s', async (name, label) => {
  const found = await classifyPhoto(sample(name), { model, limits, topK: 3 });
  expect(found).toMatchObject({
    format: 'jpeg',
    model: { name: 'efficientnet-lite0' },
    classes: [{ label }, {}, {}],
  });
  expect(Object.keys(found.timings)).toEqual(['probe', 'prepare', 'recognise']);
  const [first, second] = found.classes;
  expect(first?.score).toBeGreaterThan(second?.score ?? 1);
});

it('finds in some two hundred JPEGs what PyTorch finds, as sure of it', async () => {
  let seen = 0;
  for await (const { name, bytes } of crops()) {
    requireSameInput(name, bytes);
    const { classes } = await classifyPhoto(bytes, { model, limits, topK: 1 });
    const [classId, probability] = pictures[name] ?? [];
    expect([name, classes[0]?.classId]).toEqual([name, classId]);
    expect(Math.abs((classes[0]?.score ?? 0) - (probability ?? 1)), name).toBeLessThan(0.02);
    seen++;
  }
  expect(seen).toBe(Object.keys(pictures).length);
  expect(seen).toBeGreaterThanOrEqual(200);
});

it('gives what the model itself gives, where that is wanted', async () => {
  const ask = (outputs: string[]) => classifyPhoto(sample('cat.jpg'), { model, limits, topK: 1, outputs });
  const { outputs, classes } = await ask(['logits']);
  expect(outputs).toMatchObject([{ name: 'logits', datatype: 'FP32', shape: [1, 1000] }]);
  const logits = [...new Float32Array(outputs![0]!.data.buffer as ArrayBuffer)];
  expect(logits.indexOf(Math.max(...logits))).toBe(classes[0]?.classId);
  await expect(ask(['depth'])).rejects.toMatchObject({ code: 'invalid_request' });
});

it('says what is wrong with a picture', async () => {
  const asked = classifyPhoto(Buffer.from('words'), { model, limits, topK: 1 });
  await expect(asked).rejects.toMatchObject({ code: 'unsupported_media' });
});
