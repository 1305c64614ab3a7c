import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { constantModel, openFile, temporaryFolder, tensor } from '../../testing/models.ts';
import { labelOf, modelCard } from './card.ts';
import { parseCard, readCard } from './file.ts';
import { inputSizeOf, preprocess } from './preprocess.ts';

it.each([
  ['7', true],
  ['0', true],
  ['007', false],
  ['00', false],
  ['-1', false],
  ['12345678901234567890', false],
])('a card may have a label of class %s: %s', (id, taken) => {
  const read = modelCard.safeParse({ labels: { [id]: 'cat' } });
  expect(read.success).toBe(taken);
  if (read.data?.labels !== undefined) expect(labelOf(read.data.labels, Number(id))).toBe('cat');
});

const classifier = {
  task: 'classifier',
  outputs: 'logits',
  preprocess: {
    resize: { mode: 'shortest-edge', size: 256, filter: 'pillow-bilinear' },
    crop: { mode: 'center', size: 224 },
    colour: 'rgb',
    scale: 1 / 255,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    layout: 'nchw',
    dtype: 'float32',
  },
} as const;
const wrongAt = (card: unknown) => modelCard.safeParse(card).error?.issues.map(({ path }) => path.join('.'));
const changed = (fields: object) => ({ ...classifier, preprocess: { ...classifier.preprocess, ...fields } });

it('of a classifier says what training did, and where it does not, all that lacks or is wrong is told at once', () => {
  const read = modelCard.parse(classifier);
  expect(read).toMatchObject({
    task: 'classifier',
    preprocess: { alpha: 'white', crop: { rounding: 'half-even' } },
  });
  expect(inputSizeOf(preprocess.parse(classifier.preprocess))).toEqual({ width: 224, height: 224 });
  expect(
    wrongAt({
      ...changed({ crop: { mode: 'center', size: 300 }, std: [0, 1, 1], colour: undefined }),
      outputs: 'scores',
      head: 'yolov8',
    })?.sort(),
  ).toEqual(['', 'outputs', 'preprocess.colour', 'preprocess.crop.size', 'preprocess.std.0']);
});

it.each([
  ['no crop after shortest-edge', { crop: undefined }, ['preprocess.crop']],
  [
    'a crop of a letterbox',
    { resize: { mode: 'letterbox', size: 256, filter: 'lanczos3', pad: 0 } },
    ['preprocess.crop'],
  ],
  [
    'a crop beyond the picture',
    { crop: { mode: 'center', size: { width: 200, height: 257 } } },
    ['preprocess.crop.size'],
  ],
  [
    'a filter that nobody has',
    { resize: { mode: 'squash', size: 224, filter: 'bicubic' } },
    ['preprocess.resize.filter'],
  ],
])('%s is refused', (_, fields, paths) => {
  expect(wrongAt(changed(fields))).toEqual(paths);
});

it('may be YAML, and there is one', async () => {
  const folder = await temporaryFolder();
  const model = join(folder, 'digits.onnx');
  expect(await readCard(model)).toEqual({});
  await writeFile(join(folder, 'digits.yaml'), stringify(classifier));
  expect(await readCard(model)).toEqual(modelCard.parse(classifier));
  await writeFile(join(folder, 'digits.yaml'), 'task: classifier\noutputs: [');
  await expect(readCard(model)).rejects.toMatchObject({
    code: 'unsupported_model',
    message: expect.stringMatching(/digits\.yaml/),
  });
  await writeFile(join(folder, 'digits.json'), '{}');
  await expect(readCard(model)).rejects.toMatchObject({
    code: 'unsupported_model',
    message: expect.stringMatching(/digits\.json and digits\.yaml/),
  });
});

it('of the documentation is a card', async () => {
  const page = await readFile(new URL('../../../../docs/models.md', import.meta.url), 'utf8');
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  expect(await parseCard('digits.yaml', yaml)).toMatchObject({ task: 'classifier', name: 'digits' });
});

it('that says classifier is refused where boxes are wanted', async () => {
  const path = await constantModel({
    outputs: { logits: tensor([1, 10]) },
    card: modelCard.parse(classifier),
  });
  await expect(openFile(path)).rejects.toMatchObject({
    code: 'unsupported_model',
    message: expect.stringContaining('needs a detector'),
  });
});

it('has no text that no database takes', () => {
  for (const text of ['bi\0rds', 'birds \ud800'])
    for (const card of [{ name: text }, { version: text }, { labels: [text] }, { labels: { 7: text } }])
      expect(modelCard.safeParse(card).success, JSON.stringify(card)).toBe(false);
});
