/**
 * What a video costs: `npm run bench -- video`. The whole job against its floor, by turns on one embedded stack of its own; the pass over
 * the video alone against the same pass of the ffmpeg program; memory of worker and decoder. Needs `ffmpeg` on the PATH, to compare with.
 */
import { parseArgs } from 'node:util';
import { createKey, migrate, openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { sampleBucket } from '../../apps/local/stack/samples.ts';
import type { TestStack } from '../harness/stack.ts';
import { type Figure, machine, report, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';
import { median } from './measure/statistics.ts';
import { type JobRun, runJob } from './photo/client.ts';
import { film, slowFilm } from './video/film.ts';
import { bareInference, ffmpegPass, sceneFrames } from './video/floor.ts';
import { watchMemory } from './video/memory.ts';
import { scenePass } from './video/pass.ts';

const help = `npm run bench -- video [options]

  --minutes N   length of the film (10)
  --pairs N     pairs of a job and its floor (3)
  --long N      minutes of a film whose job's memory is watched; 0 for none (0; the full proof is 120)
  --slow N      seconds of a film of 2160p60, whose split has many pages, and what of it is decoded again; 0 for none (30)
  --only WHAT   job, pass or slow alone`;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    pairs: { type: 'string', default: '3' },
    long: { type: 'string', default: '0' },
    slow: { type: 'string', default: '30' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const jobRatio = 1.5;
const passRatio = 1.15;
const memoryMiB = 700;
const againShare = 0.1;
if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const at = machine();
  const minutes = Number(options.minutes);
  const pairs = Number(options.pairs);
  const wanted = (part: string): boolean => options.only === undefined || options.only === part;
  const figures: Figure[] = [];
  const raw: Record<string, object> = { options };
  if (wanted('pass')) {
    const { path } = await film(minutes);
    const measured = [];
    for (let pair = 0; pair < pairs; pair++) {
      const ours = await scenePass(path);
      const ffmpeg = await ffmpegPass(path);
      measured.push({ ...ours, ffmpeg });
      say(`pass ${pair + 1} of ${pairs}: ours ${ours.seconds.toFixed(1)} s, ffmpeg ${ffmpeg.toFixed(1)} s`);
    }
    raw.pass = { measured };
    const ratio = median(measured.map(({ seconds, ffmpeg }) => seconds / ffmpeg));
    figures.push(
      {
        name: `scenes of ${minutes} minutes, 1080p H.264: pass`,
        value: median(measured.map((m) => m.seconds)),
        unit: 's',
      },
      { name: 'ffmpeg: decode, scale, scdet', value: median(measured.map((m) => m.ffmpeg)), unit: 's' },
      { name: `pass / ffmpeg, median of ${pairs} pairs`, value: ratio, unit: '', target: passRatio },
    );
  }
  if (wanted('job')) {
    const { path } = await film(minutes);
    const job = await measureJob(path, minutes, pairs);
    figures.push(...job.figures);
    raw.job = job.raw;
  }
  if (wanted('slow') && Number(options.slow) > 0) {
    const slow = await measureSlow(Number(options.slow));
    figures.push(...slow.figures);
    raw.slow = slow.raw;
  }
  await report('video', at, figures, raw);
}

async function measureJob(path: string, minutes: number, pairs: number) {
  say('starting Postgres, S3 and Temporal');
  const stack = await startBenchStack('bench-video');
  try {
    await migrate(stack.stack.postgres);
    const records = openRecords({ url: stack.stack.postgres, pool: 1, application: 'darkroom-bench' });
    const { key } = await createKey(records.db, { owner: 'bench', role: 'user', priority: 3 });
    await records.close();
    const [api, worker] = await Promise.all([stack.startApi(), stack.startWorker({ LOG_LEVEL: 'info' })]);
    const client = { url: api.url, key };
    const store = storages(stack);
    const memory = watchMemory(worker.pid);
    const source = await put(store.samples, path, `bench/${minutes}-minutes.mp4`);
    const measured: { job: number; ffmpeg: number; inference: number; scenes: number }[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const ffmpeg = await ffmpegPass(path);
      const run = await runJob(client, source);
      requireSucceeded(run);
      const frames = await sceneFrames(store.own, run.job.id);
      const inference = await bareInference(stack.env(), frames);
      measured.push({ job: run.wallMs / 1000, ffmpeg, inference, scenes: frames.length });
      say(
        `pair ${pair + 1} of ${pairs}: job ${(run.wallMs / 1000).toFixed(1)} s; floor ${ffmpeg.toFixed(1)} s of ffmpeg + ` +
          `${inference.toFixed(1)} s of inference of ${frames.length} scenes`,
      );
    }
    const floors = measured.map(({ ffmpeg, inference }) => ffmpeg + inference);
    const mib = (bytes: number): number => bytes / 2 ** 20;
    const figures: Figure[] = [
      { name: `${minutes} minutes, 1080p H.264: job`, value: median(measured.map((m) => m.job)), unit: 's' },
      { name: 'floor: ffmpeg pass + bare inference', value: median(floors), unit: 's' },
      {
        name: `job / floor, median of ${pairs} pairs`,
        value: median(measured.map((m, n) => m.job / floors[n]!)),
        unit: '',
        target: jobRatio,
      },
      { name: 'peak memory of worker and decoder', value: mib(memory.peak), unit: 'MiB', target: memoryMiB },
      { name: 'peak memory of the decoder', value: mib(memory.childPeak), unit: 'MiB' },
    ];
    const long = Number(options.long);
    if (long > 0) {
      const { path: longPath } = await film(long);
      const longRun = await runJob(client, await put(store.samples, longPath, `bench/${long}-minutes.mp4`));
      requireSucceeded(longRun);
      figures.push(
        { name: `${long} minutes: job`, value: longRun.wallMs / 1000, unit: 's' },
        {
          name: `${long} minutes: peak memory of both`,
          value: mib(memory.peak),
          unit: 'MiB',
          target: memoryMiB,
        },
      );
    }
    await memory.stop();
    store.own.close();
    store.samples.close();
    await Promise.all([api.stop(), worker.stop()]);
    return { figures, raw: { measured } };
  } finally {
    await stack.close();
  }
}

/** A video whose pages are many, as it is decoded slowly: what of it is decoded more than once. */
async function measureSlow(seconds: number) {
  const path = await slowFilm(seconds);
  say('starting Postgres, S3 and Temporal');
  const stack = await startBenchStack('bench-slow');
  try {
    await migrate(stack.stack.postgres);
    const records = openRecords({ url: stack.stack.postgres, pool: 1, application: 'darkroom-bench' });
    const { key } = await createKey(records.db, { owner: 'bench', role: 'user', priority: 3 });
    const [api, worker] = await Promise.all([stack.startApi(), stack.startWorker({ LOG_LEVEL: 'info' })]);
    const store = storages(stack);
    const source = await put(store.samples, path, 'bench/slow.mp4');
    const run = await runJob({ url: api.url, key }, source);
    requireSucceeded(run);
    const pages = await records.sql<{ line: string }>`
      select line from job_logs where job_id = ${run.id} and line like 'split: to %' order by id`;
    const told = pages.map(({ line }) => /(\d+) pictures decoded, (\d+) of them again/.exec(line));
    const sum = (group: number) => told.reduce((count, match) => count + Number(match?.[group]), 0);
    const [decoded, again] = [sum(1), sum(2)];
    store.own.close();
    store.samples.close();
    await Promise.all([api.stop(), worker.stop(), records.close()]);
    const name = `${seconds} s of 2160p60`;
    const figures: Figure[] = [
      { name: `${name}: job`, value: run.wallMs / 1000, unit: 's' },
      {
        name: `${name}: pictures decoded a second of the job`,
        value: (decoded * 1000) / run.wallMs,
        unit: '',
      },
      { name: `${name}: pages of the split`, value: pages.length, unit: '' },
      {
        name: `${name}: pictures decoded again, of all`,
        value: again / decoded,
        unit: '',
        target: againShare,
      },
    ];
    return { figures, raw: { pages: pages.map(({ line }) => line), decoded, again } };
  } finally {
    await stack.close();
  }
}

function storages(stack: TestStack) {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = stack.stack.s3;
  const of = (name: string) =>
    createStorage({ endpoint, region, accessKeyId, secretAccessKey, bucket: name, forcePathStyle: true });
  return { own: of(bucket), samples: of(sampleBucket) };
}

async function put(storage: ReturnType<typeof createStorage>, path: string, key: string): Promise<string> {
  await storage.uploadFile(`s3://${sampleBucket}/${key}`, path, { contentType: 'video/mp4' });
  return `s3://${sampleBucket}/${key}`;
}

function requireSucceeded({ job }: JobRun): void {
  if (job.state !== 'succeeded')
    throw new Error(`The job ended as ${job.state}: ${JSON.stringify(job.problem)}`);
}
