/**
 * Jobs of a hundred thousand small items: `npm run bench -- items`. The tests' kind of stamps, planned from a CSV in the store, without
 * objects and with a small one each, against what the store does with the same objects alone.
 */
import { parseArgs } from 'node:util';
import { takeArchive } from './items/archive.ts';
import { type Bare, type BarePuts, best, deleteBare, openBare, putBare } from './items/bare.ts';
import { type House, openHouse, putCatalogue, submitStamps } from './items/house.ts';
import { removeBeside, removeJob } from './items/removal.ts';
import { followToEnd, p99, readAfter, readWhile, type Waits } from './items/watch.ts';
import { cpuSeconds, peakMemory } from './measure/cpu.ts';
import { type Figure, machine, report, say } from './measure/report.ts';
import { storePhotos } from './measure/stack.ts';
import { median } from './measure/statistics.ts';
import { ask } from './photo/client.ts';

const help = `npm run bench -- items [options]

A catalogue in the store is planned, and each of its positions is an item. First items that do next to nothing and write no object;
then items of one object each, against bare PUTs of the same SDK, without anything of ours around it, before and after. While they run,
and after, somebody asks for pages and events. Then that job is deleted while nobody does anything, against bare DeleteObjects before
and after. Another job of objects, of at most 20,000, is there for the rest: its archive is taken whole, and cut and resumed, and it is
deleted while another user sends photos. It ends with one table of all figures.

  --items N    items of a job (100000: some five minutes); 2000 for a first look
  --bytes N    size of an object (1024)
  --only A,B   of none, objects (all)
  --quiet      nobody reads while a job runs`;

const { values: options } = parseArgs({
  options: {
    items: { type: 'string', default: '100000' },
    bytes: { type: 'string', default: '1024' },
    only: { type: 'string', default: 'none,objects' },
    quiet: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const mib = 2 ** 20;
/** Items of the job whose archive is taken, and that is deleted beside photos, at most. */
const mostOfOther = 20_000;
/** Answers of each kind that are asked of a job that has ended. */
const readsAfter = 200;
const flights = [4, 16, 64];

const readMs = 150;
/** Told every second, and a little to write it. */
const silenceMs = 1100;
const memoryMb = 400;

if (options.help) console.log(help);
else await bench(Number(options.items), Number(options.bytes), options.only.split(','));

async function bench(items: number, bytes: number, only: readonly string[]): Promise<void> {
  const at = machine();
  say('starting Postgres, S3 and Temporal');
  const house = await openHouse();
  try {
    const catalogue = await putCatalogue(house, items);
    // What is opened and compiled with the first job is not measured.
    const small = await putCatalogue(house, 100);
    const warmUp = await submitStamps(house.client, small, { bytes });
    await followToEnd(house.client, warmUp.id);
    const figures: Figure[] = [];
    const raw: Record<string, unknown> = { options };
    if (only.includes('none')) {
      const run = await runStamps(house, catalogue, items, 0);
      raw.none = run;
      figures.push(...figuresOf('without objects', run, items));
      await removeJob(house.client, run.id);
    }
    if (only.includes('objects')) {
      const sdk = openBare(house);
      const puts = [await barePuts(sdk, items, bytes, 'before')];
      const run = await runStamps(house, catalogue, items, bytes);
      puts.push(await barePuts(sdk, items, bytes, 'after'));
      raw.objects = { ...run, puts: puts.map(({ perSecond }) => perSecond) };
      const bare = Math.max(...puts.map(({ perSecond }) => best(perSecond)));
      figures.push(
        ...figuresOf(`of ${bytes} bytes`, run, items),
        { name: 'bare PUTs a second, best of 4, 16, 64 in flight', value: bare, unit: '/s' },
        {
          name: 'items a second while they are made / bare PUTs',
          value: items / run.makingSeconds / bare,
          unit: '',
          least: 0.7,
        },
        {
          name: 'the same from submit to end',
          value: items / run.seconds / bare,
          unit: '',
          least: 0.7,
        },
      );
      const removal = await measureRemoval(house, sdk, run.id, { items, puts });
      const ended = await measureEnded(house, Math.min(items, mostOfOther), bytes);
      figures.push(...removal.figures, ...ended.figures);
      Object.assign(raw, removal.raw, ended.raw);
      sdk.client.destroy();
    }
    await report('items', at, figures, raw);
  } finally {
    await house.close();
  }
}

interface StampsRun {
  readonly id: string;
  readonly acceptedMs: number;
  /** From the submit to the end of the plan, and to the job's. */
  readonly plannedSeconds: number;
  readonly seconds: number;
  /** From the first item to the last. */
  readonly makingSeconds: number;
  readonly silenceMs: number;
  readonly waits: Waits;
  readonly waitsAfter: Waits;
  /** Peak so far, in MB. */
  readonly memory: Readonly<Record<'worker' | 'api', number>>;
  readonly cpu: Readonly<Record<string, number>>;
  readonly hot: readonly HotUpdates[];
}

async function runStamps(house: House, catalogue: string, items: number, bytes: number): Promise<StampsRun> {
  const { client, records, stack, api, worker } = house;
  const { postgres = 0, s3 = 0, temporal = 0 } = stack.stack.pids;
  const pids = { api: api.pid, worker: worker.pid, postgres, s3, temporal };
  const cpuBefore = await cpuSeconds(pids);
  const hotBefore = await hotUpdates(house);
  const began = performance.now();
  const { id, acceptedMs } = await submitStamps(client, catalogue, { bytes, keep: false });
  say(`${items} items of ${bytes} bytes are accepted after ${acceptedMs.toFixed(0)} ms`);
  let ended = false;
  const reading = options.quiet ? Promise.resolve({}) : readWhile(client, id, () => ended);
  const { silenceMs } = await followToEnd(client, id);
  const seconds = (performance.now() - began) / 1000;
  ended = true;
  const waits = await reading;
  const cpuAfter = await cpuSeconds(pids);
  const cpu = Object.fromEntries(
    Object.entries(cpuAfter).map(([name, used]) => [name, used - cpuBefore[name as keyof typeof pids]]),
  );
  const state = await (await ask(client, `/v1/jobs/${id}`)).json();
  if ((state as { state: string }).state !== 'succeeded')
    throw new Error(`The job ended otherwise: ${JSON.stringify(state)}`);
  const [times] = await records.sql<{ planned: number; making: number }>`
    select extract(epoch from plan.finished_at - jobs.created_at)::float as planned,
           extract(epoch from stamp.finished_at - stamp.started_at)::float as making
    from jobs
    join job_stages plan on plan.job_id = jobs.id and plan.name = 'plan'
    join job_stages stamp on stamp.job_id = jobs.id and stamp.name = 'stamp'
    where jobs.id = ${id}`;
  const hotAfter = await hotUpdates(house);
  const hot = hotAfter.map((each, i) => ({
    ...each,
    updates: each.updates - (hotBefore[i]?.updates ?? 0),
    hot: each.hot - (hotBefore[i]?.hot ?? 0),
  }));
  say(
    `ended after ${seconds.toFixed(1)} s, planned after ${times?.planned.toFixed(1)} s; processor seconds ${inWords(cpu)}; ` +
      `updates ${hot.map(({ table, updates, hot: of }) => `${table} ${of} HOT of ${updates}`).join(', ')}`,
  );
  const waitsAfter = await readAfter(client, id, readsAfter);
  return {
    id,
    acceptedMs,
    plannedSeconds: times?.planned ?? Number.NaN,
    makingSeconds: times?.making ?? Number.NaN,
    seconds,
    silenceMs,
    waits,
    waitsAfter,
    memory: { worker: await peakMb(worker.pid), api: await peakMb(api.pid) },
    cpu,
    hot,
  };
}

function inWords(cpu: Readonly<Record<string, number>>): string {
  return Object.entries(cpu)
    .map(([name, used]) => `${name} ${used.toFixed(1)}`)
    .join(', ');
}

async function peakMb(pid: number): Promise<number> {
  return ((await peakMemory(pid)) ?? Number.NaN) / mib;
}

interface HotUpdates {
  readonly table: string;
  readonly updates: number;
  readonly hot: number;
}

/** Updates of the tables that a running job changes, and those that touched no index. */
async function hotUpdates({ records }: House): Promise<HotUpdates[]> {
  return records.sql<{ [K in keyof HotUpdates]: HotUpdates[K] }>`
    select relname as table, n_tup_upd::int as updates, n_tup_hot_upd::int as hot from pg_stat_user_tables
    where relname in ('jobs', 'job_stages', 'job_items') order by relname`;
}

function figuresOf(what: string, run: StampsRun, items: number): Figure[] {
  const { waits, waitsAfter, memory } = run;
  const reads: Figure[] = [
    ...Object.keys(waits).map((name) => ({ name: `${name}, p99 while it runs`, value: p99(waits, name) })),
    ...Object.keys(waitsAfter).map((name) => ({ name: `${name}, p99 after`, value: p99(waitsAfter, name) })),
  ].map((figure) => ({ ...figure, unit: 'ms', target: readMs }));
  const rate: Figure = { name: `items ${what}, submit to end`, value: items / run.seconds, unit: '/s' };
  return [
    what.startsWith('without') ? { ...rate, least: 1500 } : rate,
    { name: 'submit, accepted', value: run.acceptedMs, unit: 'ms', target: 200 },
    { name: 'planned, from the submit', value: run.plannedSeconds, unit: 's', target: 10 },
    { name: 'longest silence of its events', value: run.silenceMs, unit: 'ms', target: silenceMs },
    ...reads,
    { name: 'worker, peak memory', value: memory.worker, unit: 'MB', target: memoryMb },
    { name: 'API, peak memory', value: memory.api, unit: 'MB', target: memoryMb },
  ];
}

function barePuts(sdk: Bare, items: number, bytes: number, when: string): Promise<BarePuts> {
  say(`bare PUTs ${when}`);
  // Enough for some seconds each.
  const count = Math.min(items, 5000);
  return putBare(sdk, `bench/${when}/`, { count, bytes, widths: flights });
}

interface Measured {
  readonly figures: Figure[];
  readonly raw: object;
}

/** The delete of a job of objects, and bare DeleteObjects before and after it; nobody does anything else. */
async function measureRemoval(
  { client }: House,
  sdk: Bare,
  id: string,
  { items, puts }: { items: number; puts: readonly BarePuts[] },
): Promise<Measured> {
  say('the job is deleted');
  const bare = [await deleteBare(sdk, puts[0]?.keys ?? [], [1, 4])];
  const began = performance.now();
  await removeJob(client, id);
  const seconds = (performance.now() - began) / 1000;
  bare.push(await deleteBare(sdk, puts[1]?.keys ?? [], [1, 4]));
  const bareSeconds = items / Math.max(...bare.map(best));
  return {
    figures: [
      { name: 'bare DeleteObjects of as many, best of 1 and 4 in flight', value: bareSeconds, unit: 's' },
      { name: 'delete until proven gone', value: seconds, unit: 's' },
      {
        name: 'delete until proven gone / bare DeleteObjects',
        value: seconds / bareSeconds,
        unit: '×',
        target: 1.5,
      },
    ],
    raw: { removal: { seconds }, bareDeletes: bare },
  };
}

/** The archive of a job of objects, and its delete beside another user's photos. */
async function measureEnded(house: House, items: number, bytes: number): Promise<Measured> {
  const catalogue = await putCatalogue(house, items);
  const { id } = await submitStamps(house.client, catalogue, { bytes, keep: false });
  await followToEnd(house.client, id);
  const archive = await takeArchive(house.client, id);
  const apiMb = await peakMb(house.api.pid);
  say(`archive: ${(archive.bytes / mib).toFixed(0)} MB in ${archive.seconds.toFixed(1)} s`);
  await storePhotos(house.stack, 20);
  const [other] = await Promise.all([
    house.clientOf('other'),
    house.stack.startWorker({ DARKROOM_QUEUES: 'recognition', LOG_LEVEL: 'info' }),
  ]);
  const beside = await removeBeside(house.client, other, id);
  const { before, meanwhile } = beside;
  return {
    figures: [
      { name: `archive of ${items} files`, value: archive.bytes / mib / archive.seconds, unit: 'MB/s' },
      { name: 'the same in files', value: items / archive.seconds, unit: '/s' },
      { name: 'archive, until its first byte', value: archive.firstByteMs, unit: 'ms' },
      {
        name: 'archive cut at half and resumed is the whole (1: yes)',
        value: Number(archive.resumed),
        unit: '',
        least: 1,
      },
      { name: 'API, peak memory after the archives', value: apiMb, unit: 'MB', target: memoryMb },
      { name: "another user's photo, median", value: median(before), unit: 'ms' },
      {
        name: `the same while ${items} items are deleted`,
        value: median(meanwhile),
        unit: 'ms',
        target: 2 * median(before),
      },
      { name: 'delete of these beside the photos', value: beside.seconds, unit: 's' },
    ],
    raw: { archive, beside },
  };
}
