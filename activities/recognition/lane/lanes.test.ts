import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { defaultModelOptions, keepsCode, limits, seeingModel, temporaryFolder } from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import type { RecogniserConfig } from './build.ts';
import { ModelLanes, type PlacedModel } from './lanes.ts';
import { OwnModel } from './own-model.ts';
import { type Recogniser, recogniserIn } from './recogniser.ts';

const config = async (modelPath: string, more = {}): Promise<RecogniserConfig> => ({
  recognition: {
    ...(await defaultModelOptions()),
    modelPath,
    lanes: 1,
    memoryBytes: 2e9,
    seconds: 60,
    ...more,
  },
  lane: keepsCode,
});
const placed = async (path: string): Promise<PlacedModel> => new OwnModel(await config(path)).look();

let lanes: ModelLanes;
let recogniser: Recogniser;
async function open(own: string, others: readonly PlacedModel[] = [], more = {}) {
  lanes = new ModelLanes(await config(own, more), {
    fetch: async ({ digest }) => {
      const found = others.find(({ identity }) => identity.digest === digest);
      if (found === undefined) throw new Error(`Nobody has ${digest}.`);
      return found;
    },
  });
  recogniser = recogniserIn(lanes);
}
afterEach(() => lanes.close());

type OnStage = (stage: string, pid: number) => void | Promise<void>;
const seenBy = async ({ identity }: Pick<PlacedModel, 'identity'>, onStage: OnStage = () => {}) => {
  const options = { model: identity, threshold: 0.4, annotate: false, limits, onStage };
  const { detections } = await recogniser.photo({ name: 'cat.jpg', bytes: sample('cat.jpg') }, options);
  return detections.map(({ label }) => label);
};
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

it('serves versions beside each other, each in lanes of its own; one that is unloaded ends when it has done with what it has in hand', async () => {
  const [own, other] = [await placed(await seeingModel('cat')), await placed(await seeingModel('dog'))];
  await open(own.path, [other]);
  expect(await seenBy(own)).toEqual(['cat']);
  const [entered, go] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()];
  const held = seenBy(other, (stage, pid) => {
    if (stage !== 'recognise') return;
    entered.resolve(pid);
    return go.promise;
  });
  const pid = await entered.promise;
  expect(lanes.unused(-1)).toEqual([own.identity]);
  const unloaded = lanes.unload(other.identity);
  expect(await seenBy(own)).toEqual(['cat']);
  expect(lanes.pidsOf(own.identity)).not.toContain(pid);
  go.resolve();
  expect(await held).toEqual(['dog']);
  await unloaded;
  expect(alive(pid)).toBe(false);
  expect(lanes.pids).toEqual(lanes.pidsOf(own.identity));
  // And may be had again.
  expect(await seenBy(other)).toEqual(['dog']);
}, 90_000);

it('a version that cannot be opened says so each time, and keeps no other from work', async () => {
  const own = await placed(await seeingModel('cat'));
  const broken = await placed(await seeingModel('dog', { labels: ['dog'], head: 'yolov8' }));
  await open(own.path, [broken]);
  await lanes.warm(own.identity, true);
  for (let times = 0; times < 2; times++)
    await expect(lanes.warm(broken.identity, true)).rejects.toMatchObject({ code: 'unsupported_model' });
  expect(await seenBy(own)).toEqual(['cat']);
}, 90_000);

it('has no more lanes than there is room for, ends those that rest, and warms none where there is no room', async () => {
  const [own, other, third] = [
    await placed(await seeingModel('cat')),
    await placed(await seeingModel('dog')),
    await placed(await seeingModel('cow')),
  ];
  await open(own.path, [other, third], { lanesTogether: 2 });
  expect(await lanes.warm(own.identity, true)).toBe(true);
  expect(await lanes.warm(other.identity, true)).toBe(true);
  const [first] = lanes.pidsOf(own.identity);
  expect(await lanes.warm(third.identity, true)).toBe(false);
  expect(await seenBy(third)).toEqual(['cow']);
  expect(lanes.pids).toHaveLength(2);
  expect(alive(first ?? 0)).toBe(false);
  expect(await seenBy(own)).toEqual(['cat']);
}, 90_000);

it('a version whose file was replaced under its path is had from elsewhere', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'own.onnx');
  const [cat, dog] = [await seeingModel('cat'), await seeingModel('dog')];
  const put = async (file: string) => {
    await copyFile(file, path);
    await copyFile(file.replace('.onnx', '.json'), join(folder, 'own.json'));
  };
  await put(cat);
  const own = await placed(path);
  await open(path, [{ ...own, path: cat }]);
  expect(await seenBy(own)).toEqual(['cat']);
  await put(dog);
  for (const pid of lanes.pids) process.kill(pid, 'SIGKILL');
  expect(await seenBy(own)).toEqual(['cat']);
  const now = await lanes.own();
  expect(now.identity).toMatchObject({ name: 'one', version: 'dog' });
  expect(await seenBy(now)).toEqual(['dog']);
}, 90_000);

it('learns of a version where there is no room without taking it from those that are used, or leaving more than that', async () => {
  const [own, other] = [await placed(await seeingModel('cat')), await placed(await seeingModel('dog'))];
  await open(own.path, [other], { lanesTogether: 1 });
  await lanes.warm(own.identity, true);
  const before = lanes.pids;
  expect(await lanes.learn(other.identity)).toMatchObject({ identity: other.identity });
  expect(lanes.pids).toEqual(before);
  // And whoever has something to be seen has it seen.
  expect(await seenBy(other)).toEqual(['dog']);
}, 90_000);
