import { analysisOptions, type ModelIdentity } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { constantModel, openFile, tensor } from '../testing/models.ts';
import { requireModel } from './require-model.ts';

it('a job that began with another model is told so, not that its labels are wrong', async () => {
  const path = await constantModel({
    outputs: { output0: tensor([1, 6, 84]) },
    metadata: { names: "{0: 'robin', 1: 'wren'}" },
    card: { name: 'birds', version: '7' },
  });
  const opened = await openFile(path);
  const ants: ModelIdentity = { name: 'ants', version: '1', digest: 'a'.repeat(64) };
  const pinned: ModelIdentity[] = [];
  const check = (label: string, begun?: ModelIdentity, winner = opened.identity) =>
    requireModel(opened, analysisOptions.parse({ labels: [label] }), begun, async (identity) => {
      pinned.push(identity);
      return winner;
    });
  await expect(check('soldier', ants)).rejects.toMatchObject({
    code: 'unknown_model',
    message: expect.stringContaining('began with ants 1, this worker has birds 7'),
  });
  // The same, where two workers begin at once.
  await expect(check('wren', undefined, ants)).rejects.toMatchObject({ code: 'unknown_model' });
  await check('wren', opened.identity);
  pinned.length = 0;
  await expect(check('soldier')).rejects.toMatchObject({ code: 'unknown_label' });
  await expect(check('soldier', opened.identity)).rejects.toMatchObject({ code: 'unknown_label' });
  expect(pinned).toEqual([]);
  await check('wren');
  expect(pinned).toEqual([opened.identity]);
});
