import { openedModel } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { madeClassifier, openAnyFile } from '../testing/models.ts';
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
