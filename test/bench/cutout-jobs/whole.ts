/** One job from its list to its last file: how fast, in how much memory, and where the time goes. */
import { memorySource, objectSource, openImage } from '@darkroom/sky';
import { createStorage } from '@darkroom/storage';
import { removeJob } from '../items/removal.ts';
import { cpuSeconds, peakMemory } from '../measure/cpu.ts';
import { type MemoryPeak, watchMemory } from '../measure/memory.ts';
import { type Figure, type Measured, say } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';
import type { House } from './house.ts';
import { type Ended, filesOf, finish, type Parameters, pagesOf, stageSeconds, submit } from './jobs.ts';
import { cutOf } from './pixels.ts';
import { type Row, rowsOf } from './rows.ts';
import { fileOf, surveyName, theBand } from './sky.ts';

export interface WholeSpec {
  readonly rows: number;
  readonly tiles: number;
  readonly size: number;
  readonly stamp: number;
  /** Of the job, beside what is cut. */
  readonly parameters?: Parameters;
}

export interface Whole {
  readonly id: string;
  readonly seconds: number;
  readonly acceptedMs: number;
  readonly silenceMs: number;
  readonly stages: Readonly<Record<string, number>>;
  /** Milliseconds of each page of cutouts. */
  readonly pages: readonly number[];
  /** Processor seconds of each process meanwhile. */
  readonly cpu: Readonly<Record<string, number>>;
  /** Most memory of each of our processes since it began, bytes. */
  readonly peaks: Readonly<Record<'api' | 'realtime' | 'worker', number>>;
  /** Of the worker of jobs, and of all three. */
  readonly memory: { readonly worker: MemoryPeak; readonly all: MemoryPeak };
  readonly bytes: number;
}

const mib = 2 ** 20;
/** Cutouts whose pixels are compared. */
const compared = 50;
const warmUpRows = 100;

/** Parameters of cutouts of so many pixels a side. */
export const cutoutsOf = (stamp: number): Parameters => ({
  size: `${stamp}px`,
  bands: theBand,
  format: 'fits',
});

/** What is opened and compiled with the first job is not measured. */
export async function warmUp(house: House, owner: string, spec: WholeSpec): Promise<void> {
  const client = await house.clientOf(owner);
  const rows = rowsOf({ ...spec, rows: Math.min(warmUpRows, spec.rows), seed: 99 });
  const { job } = await finish(client, await submit(client, rows, cutoutsOf(spec.stamp)));
  await removeJob(client, job.id);
}

/** Runs it, proves that its files are what they should be, and removes it; `meanwhile` has it before it is removed. */
export async function runWhole(
  house: House,
  owner: string,
  spec: WholeSpec,
  meanwhile: (ended: Ended) => Promise<void> = async () => {},
): Promise<Whole> {
  const { stack, api, realtime, worker, records } = house;
  const { postgres = 0, s3 = 0, temporal = 0 } = stack.stack.pids;
  const pids = { api: api.pid, realtime: realtime.pid, worker: worker.pid, postgres, s3, temporal };
  const client = await house.clientOf(owner);
  const rows = rowsOf(spec);
  const before = await cpuSeconds(pids);
  const watches = {
    worker: watchMemory([worker.pid]),
    all: watchMemory([api.pid, realtime.pid, worker.pid]),
  };
  const submitted = await submit(client, rows, { ...cutoutsOf(spec.stamp), ...spec.parameters });
  say(`${rows.length} rows are accepted after ${submitted.acceptedMs.toFixed(0)} ms`);
  const ended = await finish(client, submitted);
  const after = await cpuSeconds(pids);
  const memory = { worker: await watches.worker.stop(), all: await watches.all.stop() };
  const names = Object.keys(pids) as (keyof typeof pids)[];
  const { id } = ended.job;
  const whole: Whole = {
    id,
    seconds: ended.seconds,
    acceptedMs: ended.acceptedMs,
    silenceMs: ended.silenceMs,
    stages: await stageSeconds(records, id),
    pages: await pagesOf(records, id),
    cpu: Object.fromEntries(names.map((name) => [name, after[name] - before[name]])),
    peaks: {
      api: (await peakMemory(api.pid)) ?? Number.NaN,
      realtime: (await peakMemory(realtime.pid)) ?? Number.NaN,
      worker: (await peakMemory(worker.pid)) ?? Number.NaN,
    },
    memory,
    bytes: ended.end.size.bytes ?? Number.NaN,
  };
  say(
    `${(rows.length / whole.seconds).toFixed(1)} a second; seconds ${inWords(whole.stages)}; processor seconds ${inWords(whole.cpu)}`,
  );
  await requireFiles(house, ended, rows, spec);
  await meanwhile(ended);
  await removeJob(client, id);
  return whole;
}

const inWords = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value.toFixed(1)}`)
    .join(', ');

/** Throws unless there is a file for each row, and some of them have the pixels that the library reads there. */
async function requireFiles(
  { stack, clientOf }: House,
  { job }: Ended,
  rows: readonly Row[],
  { stamp }: WholeSpec,
): Promise<void> {
  const client = await clientOf(job.owner);
  const { files, total } = await filesOf(client, job.id, 2 * compared);
  const byName = new Map(rows.map((row) => [`${row.id}.fits`, row]));
  // The files of the job itself come beside those of its rows.
  if (total < rows.length) throw new Error(`The job has ${total} files for ${rows.length} rows.`);
  const storage = createStorage({ ...stack.stack.s3, forcePathStyle: true });
  try {
    let proven = 0;
    for (const { path, url } of files) {
      const row = byName.get(path);
      if (row === undefined || proven >= compared) continue;
      const found = await storage.head(`s3://${storage.bucket}/${surveyName}/${fileOf(row.tile, theBand)}`);
      const own = await cutOf(objectSource(storage, found), row, stamp);
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
      const image = await openImage(memorySource(bytes, path));
      const { data } = await image.read({ x0: 0, y0: 0, width: image.width, height: image.height });
      if (data.length !== own.data.length || own.data.some((pixel, i) => pixel !== data[i]))
        throw new Error(`${path} has other pixels than its tile.`);
      proven++;
    }
    if (proven < Math.min(compared, rows.length / 2))
      throw new Error(`Only ${proven} of the job's files are those of rows.`);
  } finally {
    storage.close();
  }
}

export function figuresOf(title: string, { rows, stamp }: WholeSpec, whole: Whole): Figure[] {
  const { seconds, pages, stages, cpu, peaks, memory } = whole;
  const inMs = (name: string, value: number): Figure => ({ name: `${title}: ${name}`, value, unit: 'ms' });
  return [
    {
      name: `${title}: ${rows} rows of ${stamp} pixels, submit to succeeded`,
      value: rows / seconds,
      unit: '/s',
      least: 100,
    },
    { name: `${title}: seconds`, value: seconds, unit: 's' },
    inMs('accepted', whole.acceptedMs),
    ...Object.entries(stages).map(([name, value]) => ({ name: `${title}: stage ${name}`, value, unit: 's' })),
    inMs(`pages (${pages.length}), p50`, median(pages)),
    inMs('pages, p99', quantile(pages, 0.99)),
    inMs('longest silence of its events', whole.silenceMs),
    ...Object.entries(cpu).map(([name, value]) => ({
      name: `${title}: processor seconds, ${name}`,
      value,
      unit: 's',
    })),
    { name: `${title}: worker, peak resident`, value: peaks.worker / mib, unit: 'MiB', target: 600 },
    { name: `${title}: worker of requests, peak resident`, value: peaks.realtime / mib, unit: 'MiB' },
    { name: `${title}: API, peak resident`, value: peaks.api / mib, unit: 'MiB' },
    { name: `${title}: API and workers together, peak`, value: memory.all.together / mib, unit: 'MiB' },
  ];
}

/** The part `rows`: one job. */
export async function measureRows(house: House, spec: WholeSpec): Promise<Measured & { whole: Whole }> {
  await warmUp(house, 'many', spec);
  const whole = await runWhole(house, 'many', spec);
  return { figures: figuresOf('job', spec, whole), raw: { whole }, whole };
}
