import { confirmModels, loadVersion, recordTrial, registerVersion, setAlias } from '@darkroom/models';
import { opened } from '@darkroom/models/testing.ts';
import { openRecords, type Records } from '@darkroom/records';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { freshDatabase, startPostgres, type TestPostgres } from '../../../test/harness/postgres.ts';
import { ServedModels } from './served.ts';

const patient = { timeout: 30_000 };

let postgres: TestPostgres;
let records: Records;
let served: ServedModels;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres?.stop());
beforeEach(async () => {
  records = openRecords({ url: await freshDatabase(postgres.url) });
  served = new ServedModels(records);
});
afterEach(async () => {
  await served.close();
  await records.close();
});

const birds = (version: string) => ({ name: 'birds', version, digest: `digest-${version}` });
async function ready(...versions: string[]) {
  for (const version of versions) {
    const file = { sha256: version, bytes: 1, card: {}, object: `models/${version}/model.onnx` };
    await registerVersion(
      records.db,
      { ...birds(version), ...file, serves: ['predictions'], by: 'olga' },
      async () => true,
    );
    await recordTrial(records.db, birds(version), { opened: opened(birds(version)) });
    await loadVersion(records.db, birds(version), 'olga');
  }
  const confirmations = versions.map(
    (version) => ({ ...birds(version), state: 'ready', lanes: 2, own: false }) as const,
  );
  await confirmModels(records.db, 'a/1', 'predictions', confirmations);
}
const production = { name: 'birds', alias: 'production' };
const versionOf = async (asked: string, draw?: () => number) => {
  const { model, alias, canary } = await served.resolve(asked, draw);
  return [model.version, alias, canary];
};

it('a switch is heard of at once, and no request asks Postgres', async () => {
  await ready('1', '2');
  await setAlias(records.db, production, { version: '1' }, 'olga');
  expect(await versionOf('birds')).toEqual(['1', 'production', false]);
  expect(served.lanesOf(birds('1'))).toBe(2);
  // It listens once it has asked a second time: what was told before is not lost.
  await vi.waitFor(async () => {
    const [{ listening } = { listening: 0 }] = await records.sql<{ listening: number }>`
      select count(*)::int as listening from pg_stat_activity where query like 'listen %darkroom_models%'`;
    expect(listening).toBe(1);
  }, patient);
  const execute = vi.spyOn(records.db, 'execute');
  await setAlias(records.db, production, { version: '2', canary: { version: '1', share: 0.5 } }, 'olga');
  execute.mockClear();
  await vi.waitFor(
    async () => expect(await versionOf('birds', () => 0.9)).toEqual(['2', 'production', false]),
    patient,
  );
  expect(await versionOf('birds', () => 0.1)).toEqual(['1', 'production', true]);
  const asked = execute.mock.calls.length;
  for (let i = 0; i < 1000; i++) await versionOf('birds@2');
  // Within the second that this took at most: once more, by the clock.
  expect(execute.mock.calls.length - asked).toBeLessThan(10);
});

it('a switch of which no notification came is known when what is known is two seconds old', async () => {
  await ready('1', '2');
  await setAlias(records.db, production, { version: '1' }, 'olga');
  const deaf = new ServedModels({ db: records.db, listen: async () => ({ unlisten: async () => {} }) });
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000_000);
  const version = async () => (await deaf.resolve('birds')).model.version;
  try {
    expect(await version()).toBe('1');
    await setAlias(records.db, production, { version: '2' }, 'olga');
    clock.mockReturnValue(1_000_900);
    expect(await version()).toBe('1');
    clock.mockReturnValue(1_002_001);
    expect(await version()).toBe('2');
  } finally {
    clock.mockRestore();
    await deaf.close();
  }
});

it('what nobody has open is no model, with why, and what is known holds while Postgres is away', async () => {
  await expect(served.resolve('default')).rejects.toMatchObject({
    code: 'no_prediction_model',
    message: expect.stringContaining('interactive'),
  });
  await ready('1');
  await setAlias(records.db, production, { version: '1' }, 'olga');
  await vi.waitFor(
    async () => expect(await versionOf('default')).toEqual(['1', 'production', false]),
    patient,
  );
  await expect(served.resolve('bords')).rejects.toMatchObject({ code: 'unknown_model' });
  const away = vi.spyOn(records.db, 'execute').mockRejectedValue(new Error('away'));
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
  expect(await versionOf('birds')).toEqual(['1', 'production', false]);
  clock.mockRestore();
  away.mockRestore();
  await confirmModels(records.db, 'a/1', 'predictions', []);
  await vi.waitFor(
    () => expect(served.resolve('birds')).rejects.toMatchObject({ code: 'no_prediction_model' }),
    patient,
  );
});
