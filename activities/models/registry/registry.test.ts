import { type ModelService, modelsChannel, problemOf } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  claimTrial,
  confirmationsOf,
  confirmModels,
  extendTrial,
  forgetWorker,
  getVersion,
  loadVersion,
  modelChangesOf,
  modelsNow,
  type NewVersion,
  recordTrial,
  registerOwn,
  registerVersion,
  releaseFile,
  releaseTrial,
  removeAlias,
  removeDefault,
  removeVersion,
  rollBackAlias,
  servedModels,
  setAlias,
  setDefault,
  targetOf,
  tellModel,
  unloadVersion,
  versionsToOpen,
} from '../index.ts';
import { opened } from '../testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());
beforeEach(
  () =>
    test.records
      .sql`truncate model_workers, model_versions, model_confirmations, model_aliases, model_defaults, model_changes, registered_versions`,
);

const birds = (version: string, changes: Partial<NewVersion> = {}): NewVersion => ({
  name: 'birds',
  version,
  digest: `digest-${version}`,
  sha256: `sha-${version}`,
  bytes: 10,
  card: { task: 'classifier' },
  object: `models/sha-${version}/model.onnx`,
  serves: ['predictions'],
  by: 'olga',
  ...changes,
});
const stored = async () => true;
const db = () => test.records.db;
const register = (version: string, changes: Partial<NewVersion> = {}) =>
  registerVersion(db(), birds(version, changes), stored);
const of = (version: string) => ({ name: 'birds', version });
const production = { name: 'birds', alias: 'production' };

/** Says of a worker that it has these versions open. */
const confirm = (
  worker: string,
  versions: readonly string[],
  serves: ModelService = 'predictions',
  own = false,
) =>
  confirmModels(
    db(),
    worker,
    serves,
    versions.map((version) => ({
      ...of(version),
      digest: `digest-${version}`,
      state: 'ready',
      lanes: 2,
      own,
    })),
    versions.map((version) => opened({ ...of(version), digest: `digest-${version}` })),
  );
/** Registers, tries and loads a version, and has the workers open it beside the others. */
async function ready(versions: readonly string[], workers: readonly string[] = ['a/1']) {
  for (const version of versions) {
    await register(version);
    await recordTrial(db(), birds(version), {
      opened: opened({ ...of(version), digest: `digest-${version}` }),
    });
    await loadVersion(db(), of(version), 'olga');
  }
  for (const worker of workers) await confirm(worker, versions);
}
const stateOf = async (version: string) => {
  const row = await getVersion(db(), of(version));
  return row && [row.state, row.wanted, row.problem?.code];
};
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );

describe('a registration', () => {
  it('is a candidate, once, and stays what it was registered as', async () => {
    const first = await register('1');
    expect(first).toMatchObject({ outcome: 'registered', row: { state: 'candidate', wanted: false } });
    expect(await register('1')).toMatchObject({ outcome: 'same', row: { digest: 'digest-1' } });
    expect(await code(register('1', { digest: 'other' }))).toBe('model_version_exists');
    expect(await modelChangesOf(db(), 'birds', { limit: 9 })).toMatchObject([
      { action: 'registered', by: 'olga' },
    ]);
  });

  it('of several at once is one', async () => {
    const all = await Promise.all(
      ['x', 'y', 'x'].map((digest) => code(register('1', { digest, sha256: digest }))),
    );
    const kept = (await getVersion(db(), of('1')))?.digest;
    expect(all).toEqual(
      ['x', 'y', 'x'].map((digest) => (digest === kept ? undefined : 'model_version_exists')),
    );
  });

  it('that is repeated has a file that is lost put again', async () => {
    const own = birds('2', { by: 'a/1' });
    await register('1');
    await registerOwn(db(), own, stored);
    const lost = async () => false;
    expect(await registerVersion(db(), birds('1'), lost)).toEqual({ outcome: 'absent' });
    expect(await registerOwn(db(), own, lost)).toEqual({ outcome: 'absent' });
    expect(await register('1')).toMatchObject({ outcome: 'same' });
    expect(await registerOwn(db(), own, stored)).toMatchObject({ outcome: 'same' });
  });

  it('waits for a file that is being removed, and has it put again', async () => {
    const [begun, removing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let there = true;
    const released = releaseFile(db(), 'sha-1', async () => {
      begun.resolve();
      await removing.promise;
      there = false;
    });
    await begun.promise;
    const registered = registerVersion(db(), birds('1'), async () => there);
    removing.resolve();
    expect(await released).toBe(true);
    expect(await registered).toEqual({ outcome: 'absent' });
    expect(await register('1')).toMatchObject({ outcome: 'registered' });
    expect(await releaseFile(db(), 'sha-1', async () => {})).toBe(false);
  });

  it('of a worker’s own is ready, for all that its workers serve, and is held while one lives', async () => {
    const own = (serves: ModelService, changes: Partial<NewVersion> = {}) =>
      registerOwn(db(), birds('1', { serves: [serves], by: 'a/1', ...changes }), stored);
    expect(await own('predictions')).toMatchObject({ row: { state: 'ready', wanted: false } });
    expect(await own('recognition')).toMatchObject({ row: { serves: ['predictions', 'recognition'] } });
    expect(await own('recognition')).toMatchObject({ outcome: 'same' });
    expect(await versionsToOpen(db(), 'predictions')).toEqual([]);
    await confirm('a/1', ['1'], 'predictions', true);
    const open = await versionsToOpen(db(), 'predictions');
    expect(open).toMatchObject([{ version: '1' }]);
    // Cards may be long, and this is asked every two seconds.
    expect(open[0]).not.toHaveProperty('card');
    expect(await versionsToOpen(db(), 'recognition')).toEqual([]);
    expect(await code(removeVersion(db(), of('1'), 'olga'))).toBe('model_in_use');
    // Another file under its name and version takes its place; what somebody registered is theirs.
    expect(await own('predictions', { digest: 'new', sha256: 'new' })).toMatchObject({
      outcome: 'registered',
      row: { digest: 'new', serves: ['predictions'] },
    });
    await register('2');
    expect(await code(registerOwn(db(), birds('2', { digest: 'new' }), stored))).toBe('model_version_exists');
    await forgetWorker(db(), 'a/1');
    expect(await versionsToOpen(db(), 'predictions')).toMatchObject([{ version: '2', state: 'candidate' }]);
  });
});

describe('a worker’s own', () => {
  const own = birds('1', { by: 'a/1' });
  const other = { ...own, digest: 'other', sha256: 'other' };

  it('does not take the place of what an operator registers in that moment', async () => {
    const registered = registerOwn(db(), other, async () => {
      await register('1');
      return true;
    });
    expect(await code(registered)).toBe('model_version_exists');
    expect(await getVersion(db(), of('1'))).toMatchObject({ digest: 'digest-1', own: false });
  });

  it('does not take the place of one that an alias or a canary stands for', async () => {
    await registerOwn(db(), own, stored);
    await ready(['2'], []);
    await confirm('a/1', ['1', '2']);
    const canary = { version: '2', canary: { version: '1', share: 0.5 } };
    for (const target of [{ version: '1' }, canary]) {
      await setAlias(db(), production, target, 'olga');
      expect(await code(registerOwn(db(), other, stored))).toBe('model_version_exists');
    }
    await setAlias(db(), production, { version: '2' }, 'olga');
    expect(await registerOwn(db(), other, stored)).toMatchObject({ outcome: 'registered' });
  });
});

describe('a candidate', () => {
  it('is tried by one at a time, and failed until it is loaded again', async () => {
    await register('1');
    const claimed = await Promise.all([1, 2, 3].map(() => claimTrial(db(), of('1'))));
    expect(claimed.filter((row) => row !== undefined)).toMatchObject([{ trials: 1 }]);
    const problem = problemOf('unsupported_model', 'It is broken.');
    for (const _ of [1, 2]) {
      expect(await recordTrial(db(), birds('1'), { problem })).toBe(true);
      expect(await stateOf('1')).toEqual(['failed', false, 'unsupported_model']);
      expect(await versionsToOpen(db(), 'predictions')).toEqual([]);
      await loadVersion(db(), of('1'), 'olga');
      expect(await stateOf('1')).toEqual(['candidate', true, undefined]);
      expect(await claimTrial(db(), of('1'))).toMatchObject({ trials: 1 });
    }
    expect(await recordTrial(db(), { ...birds('1'), digest: 'another' }, { problem })).toBe(false);
    expect(await recordTrial(db(), birds('1'), { opened: opened({ ...of('1'), digest: 'digest-1' }) })).toBe(
      true,
    );
    expect(await stateOf('1')).toEqual(['ready', true, undefined]);
  });

  it('that ends whoever tries it is given up', async () => {
    await register('1');
    for (const trials of [1, 2, 3]) {
      expect(await claimTrial(db(), of('1'))).toMatchObject({ trials });
      await test.records.sql`update registered_versions set try_until = now() - interval '1 second'`;
    }
    expect(await claimTrial(db(), of('1'))).toBeUndefined();
    expect(await stateOf('1')).toEqual(['failed', false, 'poisonous_item']);
  });

  it('is nobody’s for as long as one is at it, and none the worse for what was not its fault', async () => {
    await register('1');
    const claim = async () => {
      const claimed = await claimTrial(db(), of('1'));
      if (claimed === undefined) throw new Error('Somebody is at it.');
      return claimed;
    };
    for (let times = 0; times < 4; times++) {
      const claimed = await claim();
      expect(claimed.trials).toBe(1);
      await test.records.sql`update registered_versions set try_until = now() - interval '1 second'`;
      await extendTrial(db(), claimed);
      expect(await claimTrial(db(), of('1'))).toBeUndefined();
      await releaseTrial(db(), claimed);
    }
    // Whoever comes back late gives back nothing of another's.
    const late = await claim();
    await test.records.sql`update registered_versions set try_until = now() - interval '1 second'`;
    const { trials } = await claim();
    await releaseTrial(db(), late);
    expect(await getVersion(db(), of('1'))).toMatchObject({ trials, tryUntil: expect.any(Date) });
  });
});

describe('an alias', () => {
  it('stands for what every living worker has open, and goes back by one call', async () => {
    await ready(['1', '2'], ['a/1', 'b/1']);
    const target = async (promise: ReturnType<typeof setAlias>) => targetOf(await promise);
    expect(await target(setAlias(db(), production, { version: '1' }, 'olga'))).toEqual({ version: '1' });
    await setAlias(db(), production, { version: '1' }, 'olga');
    const canary = { version: '1', canary: { version: '2', share: 0.1 } };
    expect(await target(setAlias(db(), production, canary, 'olga'))).toEqual(canary);
    await setAlias(db(), production, { version: '2' }, 'olga');
    expect(await target(rollBackAlias(db(), production, 'otto'))).toEqual(canary);
    expect(await target(rollBackAlias(db(), production, 'otto'))).toEqual({ version: '2' });
    expect((await modelsNow(db())).aliases).toEqual([{ ...production, version: '2' }]);
    const changes = await modelChangesOf(db(), 'birds', { alias: 'production', limit: 9 });
    expect(changes.map(({ action, by, target }) => [action, by, target?.version])).toEqual([
      ['alias_rolled_back', 'otto', '2'],
      ['alias_rolled_back', 'otto', '1'],
      ['alias_set', 'olga', '2'],
      ['alias_set', 'olga', '1'],
      ['alias_set', 'olga', '1'],
    ]);
    await removeAlias(db(), production, 'olga');
    expect(await code(rollBackAlias(db(), production, 'olga'))).toBe('not_found');
  });

  it('is not switched to what a worker lacks, or nobody has', async () => {
    await ready(['1', '2'], ['a/1']);
    await setAlias(db(), production, { version: '1' }, 'olga');
    expect(await code(rollBackAlias(db(), production, 'olga'))).toBe('conflict');
    await confirm('b/1', ['1']);
    await expect(setAlias(db(), production, { version: '2' }, 'olga')).rejects.toMatchObject({
      code: 'model_not_ready',
      message: expect.stringContaining('b/1 (predictions)'),
    });
    expect(await code(setAlias(db(), production, { version: '3' }, 'olga'))).toBe('not_found');
    await forgetWorker(db(), 'b/1');
    await setAlias(db(), production, { version: '2' }, 'olga');
    await forgetWorker(db(), 'a/1');
    expect(await code(setAlias(db(), production, { version: '1' }, 'olga'))).toBe('model_not_ready');
  });

  it('is switched where a worker cannot open it only by force, and that worker is named with why', async () => {
    await ready(['1', '2'], ['a/1']);
    await setAlias(db(), production, { version: '1' }, 'olga');
    const identity = { name: 'birds', version: '2', digest: 'digest-2' };
    const problem = problemOf('unsupported_model', 'Its disk is full.');
    const failed = { ...identity, state: 'failed', lanes: 0, own: false, problem } as const;
    await confirmModels(db(), 'b/1', 'predictions', [failed]);
    await expect(setAlias(db(), production, { version: '2' }, 'olga')).rejects.toMatchObject({
      code: 'model_not_ready',
      message: expect.stringMatching(/b\/1 \(predictions: Its disk is full\.\)\..* `force`/),
    });
    const force = { force: true };
    expect(await setAlias(db(), production, { version: '2' }, 'olga', force)).toMatchObject({ version: '2' });
    await forgetWorker(db(), 'a/1');
    expect(await code(setAlias(db(), production, { version: '1' }, 'olga', force))).toBe('model_not_ready');
  });

  it('goes back to what some worker has open, once for each that it is to leave', async () => {
    await ready(['1', '2']);
    await setAlias(db(), production, { version: '1' }, 'olga');
    await setAlias(db(), production, { version: '2' }, 'olga');
    // One that is just starting has the new one alone.
    await confirm('b/1', ['2']);
    expect(await code(setAlias(db(), production, { version: '1' }, 'olga'))).toBe('model_not_ready');
    expect(await rollBackAlias(db(), production, 'olga', '2')).toMatchObject({ version: '1' });
    expect(await code(rollBackAlias(db(), production, 'olga', '2'))).toBe('conflict');
    expect((await modelsNow(db())).aliases).toEqual([{ ...production, version: '1' }]);
    await confirm('a/1', []);
    expect(await code(rollBackAlias(db(), production, 'olga', '1'))).toBeUndefined();
    expect(await code(rollBackAlias(db(), production, 'olga', '2'))).toBe('model_not_ready');
  });

  it('that two set at once for the first time knows the way back', async () => {
    await ready(['1', '2']);
    for (let round = 0; round < 5; round++) {
      const rows = await Promise.all(
        ['1', '2'].map((version) => setAlias(db(), production, { version }, 'olga')),
      );
      expect(rows.map(({ previous }) => previous).filter((previous) => previous !== null)).toHaveLength(1);
      await removeAlias(db(), production, 'olga');
    }
  });

  it('keeps its versions from being unloaded and removed', async () => {
    await ready(['1', '2']);
    await setAlias(db(), production, { version: '1', canary: { version: '2', share: 0.5 } }, 'olga');
    for (const version of ['1', '2']) {
      expect(await code(unloadVersion(db(), of(version), 'olga'))).toBe('model_in_use');
      expect(await code(removeVersion(db(), of(version), 'olga'))).toBe('model_in_use');
    }
    await setAlias(db(), production, { version: '1' }, 'olga');
    await unloadVersion(db(), of('2'), 'olga');
    expect(await stateOf('2')).toEqual(['ready', false, undefined]);
    expect(await removeVersion(db(), of('2'), 'olga')).toMatchObject({ sha256: 'sha-2' });
    expect(await stateOf('2')).toBeUndefined();
  });

  it('is switched by one of two at once, and a version is unloaded or aliased, not both', async () => {
    await ready(['1', '2']);
    await setAlias(db(), production, { version: '1' }, 'olga');
    for (let round = 0; round < 10; round++) {
      const codes = await Promise.all([
        code(setAlias(db(), production, { version: '2' }, 'olga')),
        code(unloadVersion(db(), of('2'), 'olga')),
      ]);
      expect([undefined, 'model_in_use']).toContain(codes[1]);
      const [alias] = (await modelsNow(db())).aliases;
      const wanted = (await getVersion(db(), of('2')))?.wanted;
      expect(alias?.version === '2' && wanted !== true).toBe(false);
      await setAlias(db(), production, { version: '1' }, 'olga');
      await loadVersion(db(), of('2'), 'olga');
    }
  });
});

it('default is a model that somebody has open, and is not unloaded to the last version', async () => {
  await ready(['1']);
  expect(await code(setDefault(db(), 'predictions', 'ants', 'olga'))).toBe('not_found');
  expect(await code(setDefault(db(), 'recognition', 'birds', 'olga'))).toBe('model_not_ready');
  await setDefault(db(), 'predictions', 'birds', 'olga');
  expect((await modelsNow(db())).defaults).toEqual({ predictions: 'birds' });
  expect(await code(unloadVersion(db(), of('1'), 'olga'))).toBe('model_in_use');
  // What is not loaded keeps it from nothing.
  await registerOwn(db(), birds('9', { by: 'a/1' }), stored);
  await removeVersion(db(), of('9'), 'olga');
  for (let round = 0; round < 5; round++) {
    await ready(['1', '2']);
    const codes = await Promise.all(
      ['1', '2'].map((version) => code(unloadVersion(db(), of(version), 'olga'))),
    );
    expect(codes.toSorted()).toEqual(['model_in_use', undefined]);
  }
  await removeDefault(db(), 'predictions', 'olga');
  for (const version of ['1', '2']) await unloadVersion(db(), of(version), 'olga');
});

it('a failed version can be removed where workers have the default of their own', async () => {
  await registerOwn(db(), birds('1', { by: 'a/1' }), stored);
  await confirm('a/1', ['1'], 'predictions', true);
  await setDefault(db(), 'predictions', 'birds', 'olga');
  await register('2');
  await recordTrial(db(), birds('2'), { problem: problemOf('unsupported_model', 'It is broken.') });
  expect(await removeVersion(db(), of('2'), 'olga')).toMatchObject({ state: 'failed' });
});

it('who listens is told of what is new, and of no beat', async () => {
  await register('1');
  const told = vi.fn<() => void>();
  const listening = await test.records.listen(modelsChannel, told);
  await confirm('a/1', ['1']);
  await vi.waitFor(() => expect(told).toHaveBeenCalledTimes(1));
  await confirm('a/1', ['1']);
  await confirm('a/1', []);
  await vi.waitFor(() => expect(told).toHaveBeenCalledTimes(2));
  await loadVersion(db(), of('1'), 'olga');
  await vi.waitFor(() => expect(told.mock.calls.length).toBeGreaterThan(2));
  await listening.unlisten();
});

it('a beat that says nothing new writes no row but that the worker lives, and is believed', async () => {
  await register('1');
  const model = opened({ ...of('1'), digest: 'digest-1' });
  await tellModel(db(), 'a/1', { opened: model, serves: 'predictions' });
  await confirm('a/1', ['1']);
  const written = async () =>
    (await test.records.sql`select xmin::text, seen_at from model_confirmations`).map(({ xmin }) => xmin);
  const age = (seconds: number) =>
    test.records.sql`update model_confirmations set seen_at = now() - ${seconds} * interval '1 second'`;
  await age(15);
  const before = await written();
  await confirm('a/1', ['1']);
  expect(await written()).toEqual(before);
  const [served] = await servedModels(db(), 'predictions');
  expect(served?.silentSeconds).toBeLessThan(8);
  const [said] = await confirmationsOf(db(), of('1'));
  expect(Date.now() - Number(said?.seenAt)).toBeLessThan(8000);
  // Long before nobody believes it, it is said anew.
  await age(25);
  const old = await written();
  await confirm('a/1', ['1']);
  expect(await written()).not.toEqual(old);
  // Also where nothing else says that the worker lives.
  await test.records.sql`delete from model_workers`;
  const last = await written();
  await confirm('a/1', ['1']);
  expect(await written()).not.toEqual(last);
});

it('all that is known at a moment is told at once, of workers of a release before, too', async () => {
  await ready(['1', '2']);
  await confirmModels(db(), 'b/1', 'predictions', [
    { ...of('1'), digest: 'digest-1', state: 'ready', lanes: 3, own: true },
    { ...of('2'), digest: 'digest-2', state: 'opening', lanes: 0, own: false },
  ]);
  await test.records
    .sql`insert into model_workers (worker, serves, lanes, model_name, model_version, model_digest)
    values ('c/1', 'predictions', 1, 'ants', '9', 'digest-9')`;
  const { versions } = await modelsNow(db());
  expect(versions).toMatchObject([
    { name: 'ants', state: null, wanted: false, registeredAt: 0, serves: ['predictions'] },
    { name: 'birds', version: '2', state: 'ready', open: { predictions: { workers: 1, lanes: 2, own: 0 } } },
    { name: 'birds', version: '1', wanted: true, open: { predictions: { workers: 2, lanes: 5, own: 1 } } },
  ]);
  expect((await servedModels(db(), 'predictions')).map(({ version, workers }) => [version, workers])).toEqual(
    [
      ['1', 2],
      ['2', 1],
    ],
  );
});
