/** What the frame costs: the same photos as a job and in a bare process, by turns. */
import { sampleBucket } from '../../../apps/local/stack/samples.ts';
import { cpuSeconds, peakMemory } from '../measure/cpu.ts';
import { type Figure, say } from '../measure/report.ts';
import { median, quantile } from '../measure/statistics.ts';
import type { BareProcess } from './bare-process.ts';
import { type Client, type JobRun, runJob } from './client.ts';

export interface Sides {
  readonly client: Client;
  readonly bare: BareProcess;
  /** Processes of the job's side, by name. */
  readonly pids: Readonly<Record<string, number>>;
}

/**
 * Photos in hand at once on both sides: what the photo workflow's three lanes, with three photos each, come to on one
 * worker.
 */
const concurrency = 9;
const tasksRatio = 1.3;
const singleMs = 400;

export interface Pair {
  readonly jobMs: number;
  readonly serverMs: number;
  readonly submitMs: number;
  readonly bareMs: number;
}

/** The prefix that holds the photos; each pair reads all of them twice. */
export const photosPrefix = 'bench/photos/';
export const allPhotos = `s3://${sampleBucket}/${photosPrefix}`;
export const onePhoto = (index: number): string => `${allPhotos}photo-${String(index).padStart(4, '0')}.jpg`;

/** Tasks of many photos. */
export async function measureTasks(
  sides: Sides,
  pairs: number,
  photos: number,
): Promise<{ figures: Figure[]; raw: object }> {
  say('warming up: one task and one bare run that do not count');
  await runPair(sides, allPhotos, 'warm-up', photos, 0);
  const processes: Record<string, number> = { ...sides.pids, bare: sides.bare.pid };
  const measured: (Pair & { cpu: Record<string, number> })[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    const before = await cpuSeconds(processes);
    const { job: _, ...times } = await runPair(sides, allPhotos, `pair-${pair}`, photos, pair);
    const after = await cpuSeconds(processes);
    const cpu = Object.fromEntries(
      Object.entries(after).map(([name, seconds]) => [
        name,
        Number((seconds - (before[name] ?? 0)).toFixed(2)),
      ]),
    );
    measured.push({ ...times, cpu });
    say(
      `${photos} photos, pair ${pair} of ${pairs}: job ${seconds(times.jobMs)}, bare ${seconds(times.bareMs)}, ` +
        `ratio ${(times.jobMs / times.bareMs).toFixed(3)}; processor seconds ${JSON.stringify(cpu)}`,
    );
  }
  const ratios = measured.map(({ jobMs, bareMs }) => jobMs / bareMs);
  const memory = {
    worker: await peakMemory(sides.pids.worker ?? 0),
    bare: await peakMemory(sides.bare.pid),
  };
  const name = `${photos} photos`;
  const figures: Figure[] = [
    {
      name: `${name}: job, submit to finished`,
      value: median(measured.map((p) => p.jobMs)) / 1000,
      unit: 's',
    },
    { name: `${name}: bare process`, value: median(measured.map((p) => p.bareMs)) / 1000, unit: 's' },
    {
      name: `${name}: job / bare, median of ${pairs} pairs`,
      value: median(ratios),
      unit: '',
      target: tasksRatio,
    },
    { name: `${name}: job / bare, worst pair`, value: Math.max(...ratios), unit: '' },
    ...Object.entries(memory).flatMap(([process, bytes]) =>
      bytes === undefined
        ? []
        : [{ name: `peak memory of the ${process}`, value: bytes / 2 ** 20, unit: 'MiB' }],
    ),
  ];
  return { figures, raw: { measured, memory } };
}

/** Single photos, each pair another one. */
export async function measureSingles(
  sides: Sides,
  pairs: number,
  photos: number,
): Promise<{ figures: Figure[]; raw: object }> {
  const measured: Pair[] = [];
  // The first pair does not count.
  for (let pair = 0; pair <= pairs; pair++) {
    const { job: _, ...times } = await runPair(
      sides,
      onePhoto(1 + (pair % photos)),
      `single-${pair}`,
      1,
      pair,
    );
    if (pair > 0) measured.push(times);
  }
  const extra = measured.map(({ jobMs, bareMs }) => jobMs - bareMs);
  say(`single photo: ${pairs} pairs, the job takes ${median(extra).toFixed(0)} ms more (median)`);
  const figures: Figure[] = [
    { name: 'single photo: job, median', value: median(measured.map((p) => p.jobMs)), unit: 'ms' },
    { name: 'single photo: bare process, median', value: median(measured.map((p) => p.bareMs)), unit: 'ms' },
    {
      name: `single photo: job − bare, median of ${pairs} pairs`,
      value: median(extra),
      unit: 'ms',
      target: singleMs,
    },
    { name: 'single photo: job − bare, 90 % of pairs below', value: quantile(extra, 0.9), unit: 'ms' },
  ];
  return { figures, raw: { measured } };
}

/** One run of each side; which goes first changes from pair to pair, so that neither profits from what drifts. */
async function runPair(
  { client, bare }: Sides,
  source: string,
  name: string,
  photos: number,
  pair: number,
): Promise<Pair & { job: JobRun }> {
  const asJob = () => runJob(client, source);
  const asBare = () => bare.run({ source, target: `bench/bare/${name}/`, concurrency });
  let job: JobRun;
  let plain: Awaited<ReturnType<BareProcess['run']>>;
  if (pair % 2 === 1) {
    job = await asJob();
    plain = await asBare();
  } else {
    plain = await asBare();
    job = await asJob();
  }
  requireSameWork(job, plain, photos);
  return {
    job,
    jobMs: job.wallMs,
    serverMs: job.serverMs,
    submitMs: job.submitMs,
    bareMs: plain.wallMs,
  };
}

/** A side that did less would look fast. */
function requireSameWork(
  { job }: JobRun,
  plain: { photos: number; detections: number },
  photos: number,
): void {
  const labels = (job.result?.labels ?? []) as { count: number }[];
  const found = labels.reduce((sum, { count }) => sum + Number(count), 0);
  const done = job.progress.stages.at(-1)?.done;
  if (done !== photos || plain.photos !== photos || found !== plain.detections)
    throw new Error(
      `The sides did not do the same: job ${done} photos and ${found} detections, bare ${plain.photos} and ${plain.detections}, wanted ${photos}.`,
    );
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
