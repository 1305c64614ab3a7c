/**
 * What durability costs: `npm run bench -- photo`. A task of photos and single photos, each against one bare process that does the
 * same work; and the API alone under load, with and without 100,000 jobs in its table. All on one embedded stack of its own.
 */
import { parseArgs } from 'node:util';
import { createKey, migrate, openRecords } from '@darkroom/records';
import type { TestStack } from '../harness/stack.ts';
import { gather, say } from './measure/report.ts';
import { startBenchStack, storePhotos } from './measure/stack.ts';
import { measureApi } from './photo/api.ts';
import { startBare } from './photo/bare-process.ts';
import { measureSingles, measureTasks } from './photo/recognition.ts';
import { mix } from './photo/sources.ts';

const help = `npm run bench -- photo [options]

  --photos N    photos of a task (200)
  --pairs N     pairs of a task and a bare run (3)
  --singles N   pairs of single photos (20)
  --rounds N    rounds of the API's load (4)
  --jobs N      jobs in the full table (100000)
  --only WHAT   tasks, singles or api alone`;

const { values: options } = parseArgs({
  options: {
    photos: { type: 'string', default: '200' },
    pairs: { type: 'string', default: '3' },
    singles: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '4' },
    jobs: { type: 'string', default: '100000' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const { wanted, add, report } = gather('photo', options);
  const photos = Number(options.photos);
  say('starting Postgres, S3 and Temporal');
  const stack = await startBenchStack('bench');
  try {
    await migrate(stack.stack.postgres);
    say(`photos: ${photos} of ${mix}`);
    const bytes = await storePhotos(stack, photos);
    say(`photos: ${(bytes / photos / 1024).toFixed(0)} KiB on average`);
    if (wanted('tasks') || wanted('singles')) {
      const { sides, stop } = await startSides(stack);
      if (wanted('tasks')) add('tasks', await measureTasks(sides, Number(options.pairs), photos));
      if (wanted('singles')) add('singles', await measureSingles(sides, Number(options.singles), photos));
      await stop();
    }
    if (wanted('api')) add('api', await measureApi(stack, Number(options.rounds), Number(options.jobs)));
  } finally {
    await stack.close();
  }
  await report();
}

async function startSides(stack: TestStack) {
  const records = openRecords({ url: stack.stack.postgres, pool: 1, application: 'darkroom-bench' });
  const { key } = await createKey(records.db, { owner: 'bench', role: 'user', priority: 3 });
  await records.close();
  const [api, worker, bare] = await Promise.all([
    stack.startApi(),
    stack.startWorker({ LOG_LEVEL: 'info' }),
    startBare(stack.env()),
  ]);
  const { postgres = 0, temporal = 0, s3 = 0 } = stack.stack.pids;
  const pids = { api: api.pid, worker: worker.pid, postgres, temporal, s3 };
  return {
    sides: { client: { url: api.url, key }, bare, pids },
    stop: () => Promise.all([api.stop(), worker.stop(), bare.stop()]),
  };
}
