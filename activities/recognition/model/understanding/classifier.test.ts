import { describe, expect, it } from 'vitest';
import { type ConstantModel, constantModel, openAnyFile, openFile, tensor } from '../../testing/models.ts';
import type { ClassifierCard } from '../card/card.ts';

const card: ClassifierCard = {
  task: 'classifier',
  name: 'pets',
  version: '2',
  labels: ['cat', 'dog'],
  outputs: 'logits',
  preprocess: {
    alpha: 'white',
    resize: { mode: 'squash', size: 64, filter: 'linear' },
    colour: 'rgb',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    layout: 'nchw',
    dtype: 'float32',
  },
};
const logits = { logits: tensor([1, 2], [[0, 0], 4], [[0, 1], -4]) };
const even = { logits: tensor([1, 2], [[0, 0], 0.5], [[0, 1], 0.5]) };
const said = (fields: Partial<ClassifierCard>) => ({ card: { ...card, ...fields } });
const open = async (model: ConstantModel) => openAnyFile(await constantModel(model));
const refused = (message: RegExp) => ({ code: 'unsupported_model', message: expect.stringMatching(message) });

describe('a classifier', () => {
  it('is what its card says, once a trial has shown it', async () => {
    expect(await open({ outputs: logits, card })).toMatchObject({
      head: 'classifier',
      identity: { name: 'pets', version: '2' },
      outputs: 'logits',
      labels: ['cat', 'dog'],
      preprocess: { resize: { mode: 'squash' } },
      guessed: false,
      understood: 'classifier of 2 classes, logits, as its model card says',
    });
  });

  it('of 1000 classes without labels has those of ImageNet, of others numbers', async () => {
    const { labels: _, ...bare } = card;
    const thousand = await open({ outputs: { out: tensor([1, 1000]) }, card: bare });
    expect(thousand.labels).toMatchObject({ 0: 'tench', 999: 'toilet tissue' });
    expect(thousand).toMatchObject({
      guessed: true,
      understood: expect.stringContaining("ImageNet's 1000 assumed"),
    });
    const three = await open({ outputs: { out: tensor([1, 3]) }, card: bare });
    expect(three.labels).toEqual(['class 0', 'class 1', 'class 2']);
  });

  it.each<[string, Partial<ConstantModel>, RegExp]>([
    ['gives probabilities where its card says logits', { outputs: even }, /"outputs": "probabilities"/],
    [
      'gives logits where its card says probabilities',
      said({ outputs: 'probabilities' }),
      /"outputs": "logits"/,
    ],
    ['has more labels than classes', said({ labels: ['a', 'b', 'c'] }), /up to class 2.*2 classes/],
    ['has less labels than classes', said({ labels: ['a'] }), /up to class 0.*2 classes/],
    ['has a label of no class', said({ labels: { 2: 'c' } }), /up to class 2/],
    [
      'gives boxes',
      { outputs: { output0: tensor([1, 6, 84]) } },
      /one output \[1, classes\].*output0 \[1,6,84\]/,
    ],
    [
      'takes pictures of another size',
      said({ preprocess: { ...card.preprocess, resize: { mode: 'squash', size: 32, filter: 'linear' } } }),
      /does not run on an empty picture of 32 × 32.*model card/s,
    ],
  ])('that %s is refused with what to do', async (_, changed, message) => {
    await expect(open({ outputs: logits, card, ...changed })).rejects.toMatchObject(refused(message));
  });

  it('may give probabilities that do not add up to 1', async () => {
    const outputs = { scores: tensor([1, 2], [[0, 0], 0.9], [[0, 1], 0.8]) };
    const model = await open({ outputs, ...said({ outputs: 'probabilities' }) });
    expect(model).toMatchObject({ outputs: 'probabilities' });
  });

  it('without a card is told from detectors, and needs one', async () => {
    await expect(open({ outputs: logits })).rejects.toMatchObject(
      refused(/seems to be a classifier.*"task": "classifier"/),
    );
  });

  it('finds no boxes', async () => {
    await expect(openFile(await constantModel({ outputs: logits, card }))).rejects.toMatchObject(
      refused(/needs a detector/),
    );
  });
});
