import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelIdentity, ModelService } from '@darkroom/contract';
import {
  getVersion,
  incomingModelsPrefix,
  listVersions,
  loadVersion,
  modelObject,
  modelProblems,
  modelsPrefix,
  registerVersion,
  servedModels,
  unloadVersion,
} from '@darkroom/models';
import { createLogger } from '@darkroom/platform';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import type { RecogniserConfig } from '../lane/build.ts';
import { ModelLanes } from '../lane/lanes.ts';
import { OwnModel } from '../lane/own-model.ts';
import { recogniserIn } from '../lane/recogniser.ts';
import {
  constantModel,
  defaultModelOptions,
  keepsCode,
  limits,
  madeClassifier,
  seeingModel,
  temporaryFolder,
  tensor,
} from '../testing/models.ts';
import { sample } from '../testing/samples.ts';
import { fetchVersion } from './fetch-version.ts';
import { ModelCache } from './model-cache.ts';
import { registerOwnFile } from './own-version.ts';
import { serveModels } from './serve-models.ts';

let test: TestRecords;
let s3: TestS3;
let storage: Storage;
beforeAll(async () => {
  [test, s3] = await Promise.all([startRecords(), startS3()]);
  storage = createStorage({ ...s3, forcePathStyle: true });
});
afterAll(async () => {
  storage.close();
  await Promise.all([test.close(), s3.stop()]);
});
beforeEach(
  () =>
    test.records
      .sql`truncate model_workers, model_versions, model_confirmations, registered_versions, model_aliases`,
);

const config = async (modelPath: string): Promise<RecogniserConfig> => ({
  recognition: { ...(await defaultModelOptions()), modelPath, lanes: 1, memoryBytes: 2e9, seconds: 60 },
  lane: keepsCode,
});

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A worker whose own model lies at `path`. */
async function worker(name: string, path: string, serves: ModelService = 'predictions') {
  const { records } = test;
  const cache = new ModelCache({ dir: await temporaryFolder(), bytes: 1e9, storage });
  const models = new ModelLanes(await config(path), {
    fetch: (model) => fetchVersion({ records, cache }, model),
  });
  const logger = createLogger({ service: 'test', level: 'fatal' });
  const deps = { records, storage, logger, worker: name, models, cache };
  const end = await serveModels(deps, { serves, lanes: 1, warm: true });
  ends.push(async () => {
    await end();
    await models.close();
  });
  const see = async (model: ModelIdentity) => {
    const photo = { name: 'cat.jpg', bytes: sample('cat.jpg') };
    const { detections } = await recogniserIn(models).photo(photo, {
      model,
      threshold: 0.4,
      annotate: false,
      limits,
    });
    return detections.map(({ label }) => label);
  };
  return { models, see, end };
}

/** Puts a model's file into the store and registers it, as the API does. */
async function register(path: string): Promise<ModelIdentity> {
  const { identity, sha256, bytes, card } = await new OwnModel(await config(path)).look();
  const object = modelObject(sha256);
  await storage.uploadFile(object, path, { contentType: 'application/octet-stream' });
  const version = {
    ...identity,
    sha256,
    bytes,
    card,
    object,
    serves: ['predictions', 'recognition'],
    by: 'ada',
  } as const;
  await registerVersion(test.records.db, version, async () => true);
  return identity;
}

const served = async () =>
  (await servedModels(test.records.db, 'predictions')).map(({ version, workers }) => [version, workers]);
const stateOf = async (version: ModelIdentity) => (await getVersion(test.records.db, version))?.state;
/** Under load processes open slowly. */
const soon = { timeout: 60_000, interval: 50 };

it('a worker tells what it has opened until it stops, and others open it as well, whose own is another', async () => {
  const cats = await worker('a/1', await seeingModel('cat'));
  const dogs = await worker('b/1', await seeingModel('dog'));
  await expect.poll(served, soon).toEqual([
    ['cat', 2],
    ['dog', 2],
  ]);
  expect(await servedModels(test.records.db, 'predictions')).toMatchObject([
    { name: 'one', family: 'detr-sigmoid', labels: [{ label: 'cat' }, {}, {}], lanes: 2 },
    {},
  ]);
  for (const { name, version, digest } of await listVersions(test.records.db)) {
    const model = { name, version, digest };
    expect(await Promise.all([cats.see(model), dogs.see(model)])).toEqual([[version], [version]]);
  }
  await cats.end();
  await expect.poll(served, soon).toEqual([['dog', 1]]);
}, 120_000);

it('a candidate is tried before anything else; wanted it is open, and unwanted its process ends', async () => {
  const { models, see } = await worker('a/1', await seeingModel('cat'));
  const dog = await register(await seeingModel('dog'));
  await expect.poll(() => stateOf(dog), soon).toBe('ready');
  await expect.poll(() => models.pidsOf(dog), soon).toEqual([]);
  await loadVersion(test.records.db, dog, 'ada');
  await expect.poll(served, soon).toContainEqual(['dog', 1]);
  expect(await see(dog)).toEqual(['dog']);
  expect(models.pidsOf(dog)).toHaveLength(1);
  // One that starts now has it open before anything is sent to it.
  const late = await worker('b/1', await seeingModel('cow'));
  expect(late.models.pidsOf(dog)).toHaveLength(1);
  await late.end();
  await unloadVersion(test.records.db, dog, 'ada');
  await expect.poll(served, soon).toEqual([['cat', 1]]);
  // What was sent before is answered still: its process ends later (held.test.ts).
  expect(await see(dog)).toEqual(['dog']);
}, 120_000);

it('a candidate that cannot be opened fails each time, says why, and keeps no other from being opened', async () => {
  const { see } = await worker('a/1', await seeingModel('cat'));
  const broken = await register(
    await constantModel({ outputs: { output0: tensor([1, 3]) }, card: { name: 'broken', version: '1' } }),
  );
  const dog = await register(await seeingModel('dog'));
  for (let times = 0; times < 2; times++) {
    await expect.poll(() => stateOf(broken), soon).toBe('failed');
    expect((await getVersion(test.records.db, broken))?.problem).toMatchObject({ code: 'unsupported_model' });
    await loadVersion(test.records.db, broken, 'ada');
  }
  await expect.poll(() => stateOf(dog), soon).toBe('ready');
  await loadVersion(test.records.db, dog, 'ada');
  await expect.poll(served, soon).toContainEqual(['dog', 1]);
  expect(await see(dog)).toEqual(['dog']);
}, 120_000);

it('a file that is replaced under its path is told as what it is now; jobs of before go on with what it was', async () => {
  const path = join(await temporaryFolder(), 'own.onnx');
  const put = async (file: string) => {
    await copyFile(file.replace('.onnx', '.json'), path.replace('.onnx', '.json'));
    await copyFile(file, path);
  };
  await put(await seeingModel('cat'));
  const { see, models } = await worker('a/1', path);
  const { identity: cat } = await models.own();
  await expect.poll(() => stateOf(cat), soon).toBe('ready');
  await put(await seeingModel('dog'));
  await expect.poll(served, soon).toEqual([['dog', 1]]);
  expect(await see(cat)).toEqual(['cat']);
}, 120_000);

it('a lane that was killed is back without anybody asking for it', async () => {
  const { models } = await worker('a/1', await seeingModel('cat'));
  const { identity } = await models.own();
  await expect.poll(() => models.pidsOf(identity), soon).toEqual([expect.any(Number)]);
  const [pid] = models.pidsOf(identity);
  if (pid === undefined) throw new Error('It has ended by itself.');
  process.kill(pid, 'SIGKILL');
  await expect
    .poll(() => models.pidsOf(identity), soon)
    .toEqual([expect.not.toSatisfy((now) => now === pid)]);
}, 120_000);

it('a worker whose file is no model tells that, serves what others have, and goes on when it was mended', async () => {
  const path = join(await temporaryFolder(), 'own.onnx');
  const { see } = await worker('a/1', path);
  expect(await modelProblems(test.records.db, 'a/1', 'predictions')).toMatchObject([
    { problem: { code: 'unsupported_model', detail: expect.stringContaining(path) } },
  ]);
  const dog = await register(await seeingModel('dog'));
  await loadVersion(test.records.db, dog, 'ada');
  await expect.poll(served, soon).toEqual([['dog', 1]]);
  expect(await see(dog)).toEqual(['dog']);
  await writeFile(path, 'no model');
  await copyFile((await seeingModel('cat')).replace('.onnx', '.json'), path.replace('.onnx', '.json'));
  await copyFile(await seeingModel('cat'), path);
  await expect.poll(served, soon).toContainEqual(['cat', 1]);
  await expect.poll(() => modelProblems(test.records.db, 'a/1', 'predictions'), soon).toEqual([]);
}, 120_000);

it('a worker that recognises tells so where its file is a classifier', async () => {
  await worker('a/1', await madeClassifier(), 'recognition');
  expect(await modelProblems(test.records.db, 'a/1')).toMatchObject([
    { problem: { code: 'unsupported_model', detail: expect.stringContaining('needs a detector') } },
  ]);
  expect(await servedModels(test.records.db)).toEqual([]);
});

it('a worker that stops while it tries a candidate leaves it to the next, which counts it once', async () => {
  const { end } = await worker('a/1', await seeingModel('cat'));
  const dog = await register(await seeingModel('dog'));
  await expect
    .poll(async () => (await getVersion(test.records.db, dog))?.trials, { timeout: 60_000, interval: 1 })
    .toBe(1);
  await end();
  const stopped = await getVersion(test.records.db, dog);
  // It may have come to its end before.
  if (stopped?.state !== 'ready') expect(stopped).toMatchObject({ trials: 0, tryUntil: null });
  await worker('b/1', await seeingModel('cow'));
  await expect.poll(() => stateOf(dog), soon).toBe('ready');
  expect((await getVersion(test.records.db, dog))?.trials).toBe(1);
}, 120_000);

it('a file that is replaced while it is put into the store comes under no name there', async () => {
  const own = await new OwnModel(await config(await seeingModel('cat'))).look();
  const other = { ...own, sha256: 'f'.repeat(64) };
  const targets: string[] = [];
  const seen = {
    ...storage,
    uploadFile: (...args: Parameters<Storage['uploadFile']>) => {
      targets.push(args[0]);
      return storage.uploadFile(...args);
    },
  };
  const deps = { records: test.records, storage: seen, worker: 'a/1' };
  await expect(registerOwnFile(deps, other)).rejects.toThrow('was replaced');
  expect(targets).toEqual([expect.stringMatching(`^${incomingModelsPrefix}`)]);
  const left: string[] = [];
  for (const prefix of [incomingModelsPrefix, `${modelsPrefix}${other.sha256}/`])
    for await (const { uri } of storage.list(prefix)) left.push(uri);
  expect(left).toEqual([]);
});
