import { mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifest } from '@darkroom/contract';
import { createDispatch, type Dispatch } from '@darkroom/dispatch';
import { createLogger, type FailpointPlan, loadConfig, startTelemetry } from '@darkroom/platform';
import { type Caller, getJob, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Grant, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { failpoints, readJournal } from '../../faults/platform.ts';
import { startTestStack, type TestStack } from '../../harness/stack.ts';
import { parcelOf } from './activities.ts';
import { parcelsKind, parcelsOptions } from './contract.ts';
import { kinds } from './registration.ts';

/** Results that are delivered over workers that die, cancels and the end of their job. */

const ada: Caller = { owner: 'ada', group: null, role: 'user', priority: 3 };
const bucket = 'adas-own';

let stack: TestStack & { close(): Promise<void> };
let records: Records;
let storage: Storage;
let theirs: Storage;
let dispatch: Dispatch;
let folder: string;
let grants: Grant[];
let close: () => Promise<void>;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'darkroom-parcels-')));
  await mkdir(join(folder, 'ada'));
  stack = await startTestStack('parcels', {
    DARKROOM_GRANTS: JSON.stringify([{ owner: 'ada', prefix: `s3://${bucket}/in/`, access: 'read-write' }]),
    DELIVERY_DIRECTORIES: JSON.stringify([{ everyone: true, path: `${folder}/{owner}` }]),
  });
  const config = loadConfig(stack.env());
  grants = config.grants as Grant[];
  await migrate(config.database.url);
  records = openRecords(config.database);
  storage = createStorage(config.s3);
  theirs = createStorage({ ...config.s3, bucket });
  await theirs.ensureBucket();
  const telemetry = startTelemetry({ service: 'test' });
  const logger = createLogger({ service: 'test', level: 'fatal' });
  dispatch = createDispatch({ records, storage, config, logger, telemetry, kinds });
  await dispatch.ensureEngine();
  close = async () => {
    await dispatch.close();
    await records.close();
    storage.close();
    theirs.close();
    await telemetry.shutdown();
    await stack.close();
    await rm(folder, { recursive: true, force: true });
  };
}, 300_000);
afterAll(() => close?.(), 60_000);

async function startWorker(plan?: FailpointPlan) {
  const changes = plan === undefined ? {} : failpoints(plan);
  const worker = await stack.startWorker(changes, 'test/kinds/parcels/worker-process.ts');
  onTestFinished(() => worker.stop());
  return worker;
}

const keys = Array.from({ length: 60 }, (_, index) => `p${index + 1}`);

async function submit(options: object): Promise<string> {
  const input = parcelsOptions.parse(options);
  const { jobId } = await dispatch.submit(parcelsKind.kind, ada, {
    fingerprint: JSON.stringify(input),
    input,
    stage: 'make',
    items: keys.map((key) => ({ key, input: {} })),
  });
  return jobId;
}

const jobOf = async (id: string) => (await getJob(records.db, id))!;
const stateOf = async (id: string) => (await jobOf(id)).job.state;

test('a place that is not hers is refused before there is a job, or another run of one', async () => {
  const refused = { code: 'target_not_granted' };
  for (const deliverTo of [`s3://${bucket}/out/`, `file://${folder}/bo/`, 's3://darkroom/in/'])
    await expect(submit({ deliverTo })).rejects.toMatchObject(refused);
  const gone = { deliverTo: `file://${folder}/ada/none/` };
  await expect(submit(gone)).rejects.toMatchObject({ code: 'target_unusable' });
  await expect(submit({ deliverTo: `s3://${bucket}/in` })).rejects.toMatchObject({
    code: 'validation_failed',
  });
  expect(await records.sql`select id from jobs`).toEqual([]);

  // Nobody works on it.
  const id = await submit({ deliverTo: `s3://${bucket}/in/never/` });
  await expect(dispatch.rerun(id, gone, ada)).rejects.toMatchObject({ code: 'target_unusable' });
  await dispatch.cancel(id, 'enough');
  await startWorker();
  await expect.poll(() => stateOf(id), { timeout: 120_000 }).toBe('cancelled');
  const withdrawn = grants.splice(0);
  await expect(dispatch.resume(id)).rejects.toMatchObject(refused);
  grants.push(...withdrawn);
}, 200_000);

/** Places of her own, each looked into in its way. */
const places = [
  {
    place: 'a directory',
    to: async (name: string) => {
      await mkdir(join(folder, 'ada', name));
      return `file://${folder}/ada/${name}/`;
    },
    there: async (name: string): Promise<string[]> => {
      const top = join(folder, 'ada', name);
      const entries = await readdir(top, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      return files.map((entry) => join(entry.parentPath, entry.name).slice(top.length + 1)).sort();
    },
    read: (name: string, path: string) => readFile(join(folder, 'ada', name, path)),
    dying: { 'deliver.before-rename': { killOnce: ['p7.txt', 'p30.txt'] } },
  },
  {
    place: 'a prefix',
    to: async (name: string) => `s3://${bucket}/in/${name}/`,
    there: async (name: string): Promise<string[]> =>
      (await keysUnder(theirs, `in/${name}/`)).map((key) => key.slice(`in/${name}/`.length)),
    read: (name: string, path: string) => theirs.getBytes(`in/${name}/${path}`, { maxBytes: 1e6 }),
    dying: { 'deliver.written': { killOnce: ['00000/p7.txt', '00000/p30.txt'] } },
  },
];

describe.each(places)('to $place', ({ to, there, read, dying }) => {
  const expectAll = async (name: string, id: string) => {
    const paths = keys.map((key) => `00000/${key}.txt`);
    expect(await there(name)).toEqual([...paths, 'manifest.json'].sort());
    for (const key of keys) expect(await read(name, `00000/${key}.txt`)).toEqual(parcelOf(key));
    const { job, files } = manifest.parse(JSON.parse(String(await read(name, 'manifest.json'))));
    expect([job, files.map(({ path }) => path)]).toEqual([id, paths]);
  };

  test('workers that die between files leave each there once, and what was delivered outlives the job', async () => {
    const name = `killed-${Object.keys(dying)[0]}`;
    const deliverTo = await to(name);
    const journal = join(folder, `${name}.journal`);
    const plan = {
      seed: 1,
      journal,
      points: { ...dying, 'deliver.before-manifest': { kill: 1, times: 1 } },
    };
    const id = await submit({ deliverTo });
    for (let lives = 1; lives <= 3; lives++) {
      const dying = await startWorker(plan);
      expect(await dying.ended).toBe('SIGKILL');
      expect(await there(name)).not.toContain('manifest.json');
    }
    expect(await readJournal(journal)).toHaveLength(3);
    const last = await startWorker(plan);
    await expect.poll(() => stateOf(id), { timeout: 120_000 }).toBe('succeeded');
    await expectAll(name, id);
    const { job, stages } = await jobOf(id);
    const own = (await read(name, 'manifest.json')).length;
    const bytes = keys.reduce((sum, key) => sum + parcelOf(key).length, own);
    expect(job.result).toMatchObject({ files: 60, delivered: { to: deliverTo, files: 61, bytes } });
    expect(stages.find((stage) => stage.name === 'deliver')).toMatchObject({
      state: 'succeeded',
      done: 61,
      total: 61,
    });
    // What the delivery alone needed goes right behind its end.
    await expect.poll(() => keysUnder(storage, `parcels/${id}/delivery/`), { timeout: 60_000 }).toEqual([]);

    await expect.poll(() => dispatch.remove(id).then(({ done }) => done), { timeout: 120_000 }).toBe(true);
    expect(await keysUnder(storage, `parcels/${id}/`)).toEqual([]);
    await expectAll(name, id);
    await last.stop();
  }, 400_000);

  test('a cancel leaves what was delivered, without a manifest; a resume delivers the rest, some each turn', async () => {
    const name = `cancelled-${Object.keys(dying)[0]}`;
    const id = await submit({ deliverTo: await to(name), turnMs: 1000 });
    const slow = await startWorker({ seed: 1, points: { 'deliver.file': { delayMs: 700 } } });
    await expect.poll(async () => (await there(name)).length, { timeout: 120_000 }).toBeGreaterThan(10);
    await dispatch.cancel(id, 'enough');
    await expect.poll(() => stateOf(id), { timeout: 120_000 }).toBe('cancelled');
    const kept = await there(name);
    expect(kept.length).toBeLessThan(60);
    expect(kept.filter((path) => !/^00000\/p\d+\.txt$/.test(path))).toEqual([]);
    await dispatch.resume(id);
    await expect.poll(() => stateOf(id), { timeout: 200_000 }).toBe('succeeded');
    await expectAll(name, id);
    const turns = await records.sql`
      select count(*)::int as turns from job_attempts where job_id = ${id} and stage = 'deliver' and outcome = 'succeeded'`;
    expect(turns[0]?.turns).toBeGreaterThan(1);
    await slow.stop();
  }, 400_000);
});
