/**
 * Real-time beside a batch: `npm run bench -- predict-beside`. One client asks for one prediction after the other, alone and while a batch of
 * thousands of pictures is worked on by the same worker, by turns.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Job, job } from '@darkroom/contract';
import { createKey, migrate, openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { z } from 'zod';
import { sampleBucket } from '../../apps/local/stack/samples.ts';
import { shippedLimits, type TestStack } from '../harness/stack.ts';
import { type Figure, machine, report, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';
import { median, quantile } from './measure/statistics.ts';
import { megapixel, photoFiles } from './photo/sources.ts';

const help = `npm run bench -- predict-beside [options]

  --batch N      pictures of the batch (5000)
  --pictures N   distinct ones, JPEGs of about 1 megapixel (100)
  --rounds N     turns alone and beside the batch (3)
  --seconds N    of each turn (15)
  --nice N       BATCH_NICE (as shipped)`;

const { values: options } = parseArgs({
  options: {
    batch: { type: 'string', default: '5000' },
    pictures: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '15' },
    nice: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) console.log(help);
else await bench();

interface Turn {
  /** Milliseconds of each answer. */
  readonly times: number[];
  /** How many answers had another status than 200, by status. */
  readonly refused: Record<string, number>;
}

async function bench(): Promise<void> {
  const at = machine();
  say('starting Postgres, S3 and Temporal');
  const { nice } = options;
  const stack = await startBenchStack('bench-beside', {
    ...shippedLimits,
    ...(nice !== undefined && { BATCH_NICE: nice }),
  });
  const alone: Turn = { times: [], refused: {} };
  const beside: Turn = { times: [], refused: {} };
  const rates: number[] = [];
  try {
    await migrate(stack.stack.postgres);
    const key = await makeKey(stack);
    const pictures = await Promise.all(
      (await photoFiles(megapixel, Number(options.pictures))).map((file) => readFile(file)),
    );
    const list = await storeList(stack, pictures);
    const [api, worker] = await Promise.all([stack.startApi(), stack.startWorker({ LOG_LEVEL: 'info' })]);
    const { call, predict } = clientOf(api.url, key, pictures);
    say('warming up');
    while ((await predict()) !== 200) await sleep(500);
    for (let n = 0; n < 20; n++) await predict();
    for (let round = 1; round <= Number(options.rounds); round++) {
      await turn(predict, alone);
      const id = await begin(call, list);
      const before = await doneOf(call, id);
      const began = performance.now();
      await turn(predict, beside);
      const done = (await doneOf(call, id)) - before;
      rates.push((1000 * done) / (performance.now() - began));
      if (before + done >= Number(options.batch)) throw new Error('The batch was over before its turn was.');
      await call(`/v1/jobs/${id}/cancel`, { method: 'POST' });
      while ((await jobOf(call, id)).finishedAt === null) await sleep(100);
      say(
        `round ${round}: p50 ${median(alone.times).toFixed(0)} ms alone, ${median(beside.times).toFixed(0)} ms beside ${rates.at(-1)?.toFixed(1)} pictures/s`,
      );
    }
    await Promise.all([api.stop(), worker.stop()]);
  } finally {
    await stack.close();
  }
  await report('predict-beside', at, figuresOf(alone, beside, rates), { options, alone, beside, rates });
}

function figuresOf(alone: Turn, beside: Turn, rates: readonly number[]): Figure[] {
  const count = ({ refused }: Turn) => Object.values(refused).reduce((sum, one) => sum + one, 0);
  return [
    { name: 'alone p50', value: median(alone.times), unit: 'ms' },
    { name: 'alone p99', value: quantile(alone.times, 0.99), unit: 'ms' },
    { name: 'beside a batch p50', value: median(beside.times), unit: 'ms' },
    { name: 'beside a batch p99', value: quantile(beside.times, 0.99), unit: 'ms' },
    { name: 'p50 beside / alone', value: median(beside.times) / median(alone.times), unit: '', target: 2 },
    { name: '503 beside', value: beside.refused[503] ?? 0, unit: '', target: 0 },
    {
      name: 'other refusals',
      value: count(alone) + count(beside) - (beside.refused[503] ?? 0),
      unit: '',
      target: 0,
    },
    { name: 'of the batch meanwhile', value: median(rates), unit: 'pictures/s' },
  ];
}

async function makeKey(stack: TestStack): Promise<string> {
  const records = openRecords({ url: stack.stack.postgres, pool: 1, application: 'darkroom-bench' });
  const { key } = await createKey(records.db, { owner: 'bench', role: 'user', priority: 3 });
  await records.close();
  return key;
}

/** Stores the pictures, and a list that names them again and again. */
async function storeList({ stack }: TestStack, pictures: readonly Buffer[]): Promise<string> {
  const storage = createStorage({ ...stack.s3, bucket: sampleBucket, forcePathStyle: true });
  try {
    const uris: string[] = [];
    for (const [n, picture] of pictures.entries())
      uris.push((await storage.putBytes(`beside/${n}.jpg`, picture, { contentType: 'image/jpeg' })).uri);
    const rows = Array.from({ length: Number(options.batch) }, (_, n) => uris[n % uris.length]);
    const list = Buffer.from(`uri\n${rows.join('\n')}\n`);
    return (await storage.putBytes('beside/list.csv', list, { contentType: 'text/csv' })).uri;
  } finally {
    storage.close();
  }
}

type Call = (path: string, init?: RequestInit) => Promise<Response>;

function clientOf(url: string, key: string, pictures: readonly Buffer[]) {
  const call: Call = (path, init = {}) =>
    fetch(new URL(path, url), { ...init, headers: { authorization: `Bearer ${key}`, ...init.headers } });
  let next = 0;
  const predict = async (): Promise<number> => {
    const picture = pictures[next++ % pictures.length] ?? Buffer.alloc(0);
    const body = new FormData();
    body.append('file', new File([new Uint8Array(picture)], 'picture.jpg'));
    const answer = await call('/predict', { method: 'POST', body });
    await answer.arrayBuffer();
    return answer.status;
  };
  return { call, predict };
}

async function turn(predict: () => Promise<number>, { times, refused }: Turn): Promise<void> {
  const until = performance.now() + 1000 * Number(options.seconds);
  while (performance.now() < until) {
    const began = performance.now();
    const status = await predict();
    if (status === 200) times.push(performance.now() - began);
    else refused[status] = (refused[status] ?? 0) + 1;
  }
}

async function jobOf(call: Call, id: string): Promise<Job> {
  return job.parse(await (await call(`/v1/jobs/${id}`)).json());
}

/** Pictures of the batch that are done. */
async function doneOf(call: Call, id: string): Promise<number> {
  const { progress, state, problem } = await jobOf(call, id);
  if (state === 'failed') throw new Error(`The batch failed: ${problem?.detail}`);
  return progress.stages.find(({ name }) => name === 'predict')?.done ?? 0;
}

/** Submits a batch, and waits until it is well under way. */
async function begin(call: Call, source: string): Promise<string> {
  const answer = await call('/v1/batch-predictions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ source }),
  });
  const { id } = z.object({ id: z.string() }).parse(await answer.json());
  while ((await doneOf(call, id)) < 20) await sleep(200);
  return id;
}
