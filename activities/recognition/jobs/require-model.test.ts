import { analysisOptions, type ModelIdentity, ProblemError } from '@darkroom/contract';
import type { ModelsNow } from '@darkroom/models';
import { expect, it } from 'vitest';
import type { Model } from '../model/session.ts';
import { constantModel, openFile, tensor } from '../testing/models.ts';
import { requireModel } from './require-model.ts';

const named = async (name: string, labels: string[]): Promise<Model> =>
  openFile(
    await constantModel({
      outputs: { output0: tensor([1, 4 + labels.length, 84]) },
      card: { name, version: '7', labels },
    }),
  );

/** A worker whose own model is the first; the others are what it can open. */
async function worker(
  open: readonly Model[],
  told: readonly Model[] = open,
  changes: Partial<ModelsNow['versions'][number]> = {},
) {
  const pinned: ModelIdentity[] = [];
  const now: ModelsNow = {
    aliases: [],
    defaults: {},
    versions: told.map(({ identity }, at) => ({
      ...identity,
      state: 'ready',
      serves: ['recognition'],
      wanted: false,
      registeredAt: 0,
      open: { recognition: { workers: 1, lanes: 1, own: told.length - at } },
      ...changes,
    })),
  };
  const check = async (asked: object, begun?: ModelIdentity, winner?: ModelIdentity) => {
    const found = await requireModel(analysisOptions.parse(asked), begun, {
      model: async (version = open[0]?.identity) => {
        const one = open.find(({ identity }) => identity.digest === version?.digest);
        if (one === undefined) throw new ProblemError('unsupported_model', `${version?.name} is elsewhere.`);
        return one;
      },
      now: async () => now,
      pin: async (identity) => {
        pinned.push(identity);
        return winner ?? identity;
      },
    });
    return found.identity.name;
  };
  return { check, pinned };
}

it('the first attempt finds out what a name stands for, and later ones stay with that', async () => {
  const [birds, ants] = [await named('birds', ['robin', 'wren']), await named('ants', ['soldier', 'queen'])];
  const { check, pinned } = await worker([birds, ants]);
  expect(await check({ model: 'ants' })).toBe('ants');
  expect(await check({ model: 'ants@7' })).toBe('ants');
  expect(await check({})).toBe('birds');
  expect(pinned).toEqual([ants.identity, ants.identity, birds.identity]);
  // Whatever the name stands for by now.
  expect(await check({ model: 'birds' }, ants.identity)).toBe('ants');
  expect(pinned).toHaveLength(3);
  // Of two that begin at once, one decides.
  expect(await check({ model: 'birds' }, undefined, ants.identity)).toBe('ants');
});

it('labels are those of the model that the job is for', async () => {
  const [birds, ants] = [await named('birds', ['robin', 'wren']), await named('ants', ['soldier', 'queen'])];
  const { check, pinned } = await worker([birds, ants]);
  expect(await check({ model: 'ants', labels: ['soldier'] })).toBe('ants');
  expect(await check({ labels: ['soldier'] }, ants.identity)).toBe('ants');
  await expect(check({ labels: ['soldier'] })).rejects.toMatchObject({ code: 'unknown_label' });
  expect(pinned).toHaveLength(1);
});

it('a name that nobody knows is said to be none; one that only another worker has is tried again', async () => {
  const [birds, ants] = [await named('birds', ['robin']), await named('ants', ['soldier'])];
  const { check } = await worker([birds], [birds, ants]);
  await expect(check({ model: 'cows' })).rejects.toMatchObject({ code: 'unknown_model' });
  await expect(check({ model: 'ants' })).rejects.toMatchObject({ problem: { retryable: true } });
  // What this worker has, it knows by itself.
  const silent = await worker([birds], []);
  expect(await silent.check({ model: 'birds' })).toBe('birds');
  await expect(silent.check({ model: 'ants' })).rejects.toMatchObject({ code: 'unknown_model' });
});

it('a version that is registered and that nobody has open at the moment is opened', async () => {
  const [birds, ants] = [await named('birds', ['robin']), await named('ants', ['soldier'])];
  const { check, pinned } = await worker([birds, ants], [birds, ants], { open: {} });
  expect(await check({ model: 'ants' })).toBe('ants');
  expect(await check({ model: 'ants@7' })).toBe('ants');
  expect(pinned).toEqual([ants.identity, ants.identity]);
  const untried = await worker([birds], [birds, ants], { open: {}, state: 'candidate' });
  await expect(untried.check({ model: 'ants' })).rejects.toMatchObject({ code: 'model_not_ready' });
  expect(await untried.check({ model: 'birds' })).toBe('birds');
});
