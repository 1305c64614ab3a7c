import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it, onTestFinished, vi } from 'vitest';
import { model } from './model.ts';

const card = `
task: classifier
outputs: probabilities
preprocess:
  resize: { mode: squash, size: 8, filter: pillow-bilinear }
  colour: rgb
  scale: 0.00392156862745098
  mean: [0, 0, 0]
  std: [1, 1, 1]
  layout: nchw
  dtype: float32
`;

it('shows where a pipeline parts from ours, and its exit code says it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-model-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => printed.mockRestore());
  const file = (name: string) => join(folder, name);
  await sharp({ create: { width: 9, height: 9, channels: 3, background: '#808080' } }).toFile(
    file('grey.png'),
  );
  await writeFile(file('digits.yaml'), card);
  const resized = { shape: [8, 8, 3], values: Array(192).fill(125) };
  await writeFile(file('expected.json'), JSON.stringify({ picture: 'grey.png', resized }));
  const compare = (...more: string[]) =>
    model.run(['compare', file('digits.yaml'), file('expected.json'), ...more]);

  expect(await compare()).toBe(1);
  expect(printed.mock.lastCall?.[0]).toMatch(/resized .* 3 .*PARTS[\s\S]*They part at "resized"/);
  expect(await compare('--tolerance', 'resized=3')).toBe(0);
  expect(printed.mock.lastCall?.[0]).toContain('They agree.');
  await expect(compare('--tolerance', 'pixels=3')).rejects.toThrow(/decoded, resized/);
  await expect(model.run(['compare', file('none.yaml'), file('expected.json')])).rejects.toThrow(
    /none\.yaml/,
  );
  await writeFile(file('digits.yaml'), 'task: classifier');
  await expect(compare()).rejects.toThrow(/digits\.yaml is not valid/);
  expect(await model.run(['compare', file('digits.yaml')])).toBe(2);
  expect(printed.mock.lastCall?.[0]).toBe(model.help);
});
