/**
 * Model versions in a worker: `npm run bench -- models`. `production` is switched between two that are open while clients predict; a version is loaded
 * and unloaded again and again, and the memory of worker and lanes is read; lanes are killed, and the next answer is waited for.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { residentBytes } from '@darkroom/lane/parent/watch.ts';
import {
  loadVersion,
  modelObject,
  modelsNow,
  registerVersion,
  setAlias,
  unloadVersion,
  type VersionName,
} from '@darkroom/models';
import { OwnModel } from '@darkroom/recognition/lane/own-model.ts';
import { writeSeeingModel } from '@darkroom/recognition/testing/files.ts';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { z } from 'zod';
import { samplesFolder } from '../../apps/local/stack/samples.ts';
import { type Figure, gather, type Measured, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';
import { median, quantile } from './measure/statistics.ts';

const help = `npm run bench -- models [options]

  --switches N   of production between two open versions (50)
  --clients N    closed-loop clients meanwhile (16)
  --cycles N     a version is loaded and unloaded (100)
  --kills N      of lanes (10)
  --only WHAT    switches, cycles or kills alone`;

const { values: options } = parseArgs({
  options: {
    switches: { type: 'string', default: '50' },
    clients: { type: 'string', default: '16' },
    cycles: { type: 'string', default: '100' },
    kills: { type: 'string', default: '10' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

interface House {
  readonly records: Records;
  readonly storage: Storage;
  readonly worker: number;
  /** The version that answers a picture, which is what it sees, and how long it took. */
  predict(): Promise<{ readonly version: string; readonly ms: number }>;
}

const answer = z.object({
  label: z.string(),
  model: z.object({ version: z.string() }),
});

if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const { add, wanted, report } = gather('models', options);
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-bench-models-'));
  say('starting Postgres, S3, Temporal, an API and a worker');
  const stack = await startBenchStack('bench-models', {
    MODEL_PATH: await modelFile(folder, 'cat'),
    // A worker says at this level that it is ready.
    LOG_LEVEL: 'info',
  });
  try {
    await migrate(stack.stack.postgres);
    const records = await openRecords({ url: stack.stack.postgres });
    const storage = createStorage({ ...stack.stack.s3, forcePathStyle: true });
    const api = await stack.startApi();
    const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
    const { pid: worker } = await stack.startWorker({ DARKROOM_QUEUES: 'light,interactive' });
    const picture = await readFile(join(samplesFolder, 'cat.jpg'));
    const house: House = {
      records,
      storage,
      worker,
      async predict() {
        const began = performance.now();
        const form = new FormData();
        form.append('file', new File([picture], 'cat.jpg'));
        const response = await fetch(`${api.url}/predict?detail=true&deadline=30&model=one`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}` },
          body: form,
        });
        if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
        const { label, model } = answer.parse(await response.json());
        if (label !== model.version) throw new Error(`${model.version} has seen a ${label}.`);
        return { version: model.version, ms: performance.now() - began };
      },
    };
    const dog = await register(house, await modelFile(folder, 'dog'));
    try {
      if (wanted('switches')) add('switches', await switches(house, dog));
      if (wanted('kills')) add('kills', await kills(house));
      if (wanted('cycles'))
        add('cycles', await cycles(house, await register(house, await modelFile(folder, 'cow'))));
    } finally {
      storage.close();
      await records.close();
    }
  } finally {
    await stack.close();
    await rm(folder, { recursive: true });
  }
  await report();
}

async function modelFile(folder: string, label: string): Promise<string> {
  return writeSeeingModel(await mkdtemp(join(folder, `${label}-`)), label);
}

/** Registers the file as a candidate; waits until it was tried. */
async function register({ records, storage }: House, path: string): Promise<VersionName> {
  const recognition = {
    modelPath: path,
    modelsDir: '',
    device: 'cpu',
    lanes: 1,
    threads: 1,
    memoryBytes: 1e9,
    seconds: 60,
  } as const;
  const { identity, sha256, bytes, card } = await new OwnModel({
    recognition,
    lane: { sandbox: 'auto' },
  }).look();
  const object = modelObject(sha256);
  await storage.uploadFile(object, path, { contentType: 'application/octet-stream' });
  const row = { ...identity, sha256, bytes, card, object, serves: ['predictions'], by: 'ada' } as const;
  await registerVersion(records.db, row, async () => true);
  await untilOne(records, identity, ({ state }) => state === 'ready');
  return identity;
}

type Known = Awaited<ReturnType<typeof modelsNow>>['versions'][number];

async function untilOne({ db }: Records, of: VersionName, holds: (version: Known) => boolean): Promise<void> {
  for (;;) {
    const { versions } = await modelsNow(db);
    if (versions.some((one) => one.name === of.name && one.version === of.version && holds(one))) return;
    await sleep(20);
  }
}

function isOpen({ open }: Known): boolean {
  return open.predictions !== undefined;
}

/** How often each was switched to while clients predict: what failed, and how long after the commit the last answer of the version before was begun. */
async function switches(house: House, dog: VersionName): Promise<Measured> {
  const { records } = house;
  const cat = { name: dog.name, version: 'cat' };
  await loadVersion(records.db, dog, 'ada');
  for (const version of [cat, dog]) await untilOne(records, version, isOpen);
  const failures: string[] = [];
  const answers: { readonly version: string; readonly at: number; readonly ms: number }[] = [];
  let stop = false;
  const clients = Array.from({ length: Number(options.clients) }, async () => {
    while (!stop)
      try {
        const { version, ms } = await house.predict();
        answers.push({ version, ms, at: performance.now() });
      } catch (error) {
        failures.push(String(error));
      }
  });
  const lates: number[] = [];
  for (let n = 0; n < Number(options.switches); n++) {
    const [before, after] = n % 2 === 0 ? [cat, dog] : [dog, cat];
    await setAlias(records.db, { name: dog.name, alias: 'production' }, { version: after.version }, 'ada');
    const written = performance.now();
    await sleep(1000);
    const old = answers.filter(({ version, at }) => at > written && version === before.version);
    lates.push(Math.max(0, ...old.map(({ at }) => at - written)));
  }
  stop = true;
  await Promise.all(clients);
  const versions = Map.groupBy(answers, ({ version }) => version);
  say(
    `${answers.length} answers (${[...versions].map(([name, all]) => `${all.length} of ${name}`).join(', ')})`,
  );
  const figures: Figure[] = [
    { name: 'switches: requests that failed', value: failures.length, unit: '', target: 0 },
    { name: 'switches: answers', value: answers.length, unit: '' },
    {
      name: 'switches: alias written to last old answer, longest',
      value: Math.max(...lates),
      unit: 'ms',
      target: 2000,
    },
    { name: 'switches: the same, median', value: median(lates), unit: 'ms' },
  ];
  return { figures, raw: { lates, failures: failures.slice(0, 20) } };
}

/** Time from a lane's death to the next answer. */
async function kills(house: House): Promise<Measured> {
  const times: number[] = [];
  for (let n = 0; n < Number(options.kills); n++) {
    await house.predict();
    for (const { pid } of await family(house.worker)) if (pid !== house.worker) process.kill(pid, 'SIGKILL');
    times.push((await house.predict()).ms);
  }
  return {
    figures: [
      { name: 'all lanes killed: next answer, median', value: median(times) / 1000, unit: 's' },
      {
        name: 'all lanes killed: next answer, longest',
        value: quantile(times, 1) / 1000,
        unit: 's',
        target: 5,
      },
    ],
    raw: { times },
  };
}

/** Memory of the worker and its lanes, before a version is loaded and after it was unloaded. */
async function cycles({ records, worker }: House, version: VersionName): Promise<Measured> {
  const bytes: { readonly worker: number; readonly lanes: number }[] = [];
  for (let n = 0; n < Number(options.cycles); n++) {
    await loadVersion(records.db, version, 'ada');
    await untilOne(records, version, isOpen);
    await unloadVersion(records.db, version, 'ada');
    await untilOne(records, version, (one) => !isOpen(one));
    await sleep(200);
    const all = await family(worker);
    const own = all.find(({ pid }) => pid === worker)?.bytes ?? Number.NaN;
    bytes.push({ worker: own, lanes: all.reduce((sum, one) => sum + one.bytes, 0) - own });
    if (n % 10 === 9) say(`${n + 1} cycles: ${Math.round(own / 2 ** 20)} MiB and ${all.length - 1} lanes`);
  }
  const sums = bytes.map(({ worker, lanes }) => worker + lanes);
  const first = median(sums.slice(0, 10));
  const last = median(sums.slice(-10));
  return {
    figures: [
      { name: 'cycles: worker and lanes, the first ten', value: first / 2 ** 20, unit: 'MiB' },
      { name: 'cycles: worker and lanes, the last ten', value: last / 2 ** 20, unit: 'MiB' },
      { name: 'cycles: growth', value: (100 * (last - first)) / first, unit: '%', target: 10 },
    ],
    raw: { bytes },
  };
}

/** A process and its children, with their resident memory. */
async function family(pid: number): Promise<{ readonly pid: number; readonly bytes: number }[]> {
  const told = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = told.split(' ').filter(Boolean).map(Number);
  const rest = await Promise.all(children.map(family));
  return [{ pid, bytes: await residentBytes(pid) }, ...rest.flat()];
}
