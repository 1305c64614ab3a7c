import { openedModel } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { constantModel, madeClassifier, openAnyFile, tensor } from '../testing/models.ts';
import { openedModelOf } from './opened-model.ts';

it('a classifier is told of like others, with how a picture is laid into its input', async () => {
  const told = openedModelOf(await openAnyFile(await madeClassifier()));
  expect(openedModel.parse(told)).toEqual(told);
  const { labels, ...rest } = told;
  expect(labels[285]).toEqual({ classId: 285, label: 'Egyptian cat' });
  expect(rest).toMatchObject({
    name: 'efficientnet-lite0',
    family: 'classifier',
    guessed: false,
    input: { width: 224, height: 224, fit: 'crop', pad: 0, scale: 1, mean: [127, 127, 127] },
  });
});

it('a name in the file that no database takes is told without what it does not take', async () => {
  const path = await constantModel({
    outputs: { output0: tensor([1, 6, 84]) },
    metadata: { names: "{0: 'ro\\x00bin', 1: 'wren\0'}" },
  });
  const { labels } = openedModelOf(await openAnyFile(path));
  expect(labels.map(({ label }) => label).join()).not.toContain('\0');
  expect(labels).toHaveLength(2);
});
