import { createLogger } from '@darkroom/platform';
import { expect, it } from 'vitest';
import { ModelLanes } from '../lane/lanes.ts';
import { recogniserIn } from '../lane/recogniser.ts';
import { defaultModelOptions, keepsCode, limits, seeingModel } from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import { HeldVersions } from './held.ts';

async function house(modelPath: string) {
  const recognition = {
    ...(await defaultModelOptions()),
    modelPath,
    lanes: 1,
    memoryBytes: 2e9,
    seconds: 60,
  };
  const models = new ModelLanes({ recognition, lane: keepsCode });
  const clock = { now: 0 };
  const held = new HeldVersions({
    models,
    logger: createLogger({ service: 'test', level: 'fatal' }),
    lanes: 1,
    warm: true,
    changed: () => {},
    now: () => clock.now,
  });
  const { identity } = await models.own();
  return { models, held, clock, identity, wanted: [{ identity, own: false }] };
}
const soon = { timeout: 60_000, interval: 20 };

it('a version that is not wanted any more is told so at once, answers what was sent before, and ends then', async () => {
  const { models, held, clock, identity, wanted } = await house(await seeingModel('dog'));
  held.look(wanted);
  await held.settled(identity);
  expect(held.confirmations()).toMatchObject([{ state: 'ready' }]);
  const pids = models.pidsOf(identity);
  held.look([]);
  expect([held.confirmations(), held.opened()]).toEqual([[], []]);
  clock.now += 9000;
  held.look([]);
  const photo = { name: 'cat.jpg', bytes: sample('cat.jpg') };
  const options = { model: identity, threshold: 0.4, annotate: false, limits };
  await recogniserIn(models).photo(photo, options);
  expect(models.pidsOf(identity)).toEqual(pids);
  clock.now += 2000;
  held.look([]);
  await expect.poll(() => models.pids, soon).toEqual([]);
  await models.close();
}, 60_000);

it('a version that is let go of as it is opened is not opened again', async () => {
  const { models, held, wanted, identity } = await house(await seeingModel('dog'));
  held.look(wanted);
  const settled = held.settled(identity);
  held.look([]);
  await settled;
  // Nothing is known of it: nobody has asked for it since.
  expect(models.unused(-1)).toEqual([]);
  await models.close();
}, 60_000);

it('a version that could not be opened is refused at once, until it is let go of', async () => {
  const { models, held, wanted, identity } = await house(
    await seeingModel('dog', { labels: ['dog'], head: 'yolov8' }),
  );
  held.look(wanted);
  await held.settled(identity);
  expect(held.confirmations()).toMatchObject([{ state: 'failed' }]);
  await models.unload(identity);
  await expect(models.understanding(identity)).rejects.toMatchObject({ code: 'unsupported_model' });
  expect(() => models.askOf(identity)).toThrow();
  // No process was opened for it.
  expect(models.unused(-1)).toEqual([]);
  held.look([]);
  expect(models.askOf(identity)).toBeTypeOf('function');
  await models.close();
}, 60_000);
