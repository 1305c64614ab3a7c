/**
 * What deletes cost the others: `npm run bench -- delete`. Many running jobs of one user are deleted at once, with one worker for light
 * steps, while another user sends a photo every two seconds; against the same beside the same jobs undeleted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { type Figure, machine, report, say } from './measure/report.ts';
import { startBenchStack, storePhotos } from './measure/stack.ts';
import { median } from './measure/statistics.ts';
import { type Client, runJob, submitJob } from './photo/client.ts';
import { allPhotos, onePhoto } from './photo/recognition.ts';

const help = `npm run bench -- delete [options]

Jobs of one user are submitted until all of them run; then all are deleted at once, with one worker that serves light steps and
one that recognises. Meanwhile another user sends a photo every two seconds: how long it takes beside the running jobs, and how long
until the last of them is proven gone.

  --jobs N     jobs deleted at once (200)
  --photos N   photos of each (24, a page)`;

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200' },
    photos: { type: 'string', default: '24' },
    help: { type: 'boolean', default: false },
  },
});
/** Pages at once: more than by default, so that all jobs have had a turn, and run, within a minute. */
const pagesAtOnce = '24';
const everyMs = 2000;
/** Photos that the undeleted median is taken of, at least; and at most, where not all jobs have had a turn by then. */
const fewest = 10;
const mostUndeleted = 25;

if (options.help) console.log(help);
else await bench(Number(options.jobs), Number(options.photos));

async function bench(jobs: number, photos: number): Promise<void> {
  const at = machine();
  say('starting Postgres, S3 and Temporal');
  const stack = await startBenchStack('bench');
  try {
    await storePhotos(stack, photos);
    await migrate(stack.stack.postgres);
    const records = openRecords({ url: stack.stack.postgres, pool: 2, application: 'darkroom-bench' });
    const [api] = await Promise.all([
      stack.startApi(),
      stack.startWorker({ DARKROOM_QUEUES: 'light', LOG_LEVEL: 'info' }),
      stack.startWorker({
        DARKROOM_QUEUES: 'recognition',
        WORKER_MAX_ACTIVITIES: pagesAtOnce,
        LOG_LEVEL: 'info',
      }),
    ]);
    const clientOf = async (owner: string): Promise<Client> => {
      const { key } = await createKey(records.db, { owner, role: 'user', priority: 3 });
      return { url: api.url, key };
    };
    try {
      const [many, other] = [await clientOf('many'), await clientOf('other')];
      // What is opened and compiled with the first photos is not measured.
      for (let i = 1; i <= 3; i++) await runJob(other, onePhoto(i));
      const ids = await submitMany(many, jobs);
      say(`${jobs} jobs of ${photos} photos each are submitted`);
      const beside = await photosUntil(other, async (sent) => {
        if (sent < fewest) return false;
        return sent >= mostUndeleted || (await countJobs(records)).begun >= jobs;
      });
      const { begun } = await countJobs(records);
      say(`${begun} have had a turn; another user's photo: ${inWords(beside)}`);
      const began = performance.now();
      const deletes = Promise.all(ids.map((id) => remove(many, id)));
      const meanwhile = await photosUntil(other, async () => (await countJobs(records)).left === 0);
      const answeredMs = await deletes;
      const seconds = (performance.now() - began) / 1000;
      say(`all are gone within ${seconds.toFixed(1)} s; another user's photo: ${inWords(meanwhile)}`);
      const figures: Figure[] = [
        {
          name: `another user's photo beside ${jobs} running jobs, median`,
          value: median(beside),
          unit: 'ms',
        },
        {
          name: 'the same while they are deleted, median',
          value: median(meanwhile),
          unit: 'ms',
          target: 2 * median(beside),
        },
        { name: 'the same, longest', value: Math.max(...meanwhile), unit: 'ms' },
        { name: 'jobs that had had a turn by then', value: begun, unit: '' },
        { name: `until ${jobs} jobs are proven gone`, value: seconds, unit: 's' },
        { name: 'answer of a DELETE, median', value: median(answeredMs), unit: 'ms' },
      ];
      await report('delete', at, figures, { options, beside, meanwhile, answeredMs });
    } finally {
      await records.close();
    }
  } finally {
    await stack.close();
  }
}

function inWords(times: readonly number[]): string {
  const each = times.map((ms) => ms.toFixed(0)).join(', ');
  return `median ${median(times).toFixed(0)} ms of ${times.length} (${each})`;
}

async function submitMany(client: Client, count: number): Promise<string[]> {
  const ids: string[] = [];
  const submitter = async (): Promise<void> => {
    for (let begun = ids.length; begun < count; begun = ids.length) {
      ids.push('');
      ids[begun] = await submitJob(client, allPhotos);
    }
  };
  await Promise.all(Array.from({ length: 8 }, submitter));
  return ids;
}

/** Sends a photo every two seconds until `done`, asked before each; what each took, in milliseconds. One is sent at least. */
async function photosUntil(client: Client, done: (sent: number) => Promise<boolean>): Promise<number[]> {
  const sent: Promise<number>[] = [];
  do {
    sent.push(runJob(client, onePhoto(1 + (sent.length % 20))).then(({ wallMs }) => wallMs));
    await sleep(everyMs);
  } while (!(await done(sent.length)));
  return Promise.all(sent);
}

/** Deletes a job; milliseconds to the answer, which may come before all is gone. */
async function remove({ url, key }: Client, id: string): Promise<number> {
  const began = performance.now();
  const answer = await fetch(`${url}/v1/jobs/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${key}` },
  });
  await answer.text();
  if (![202, 204].includes(answer.status)) throw new Error(`A DELETE was answered ${answer.status}.`);
  return performance.now() - began;
}

/** Jobs of the user of many: those that have begun, and those not proven gone. */
async function countJobs({ sql }: Records): Promise<{ begun: number; left: number }> {
  const [row] = await sql<{ begun: number; left: number }>`
    select (count(*) filter (where started_at is not null))::int as begun,
           (count(*) filter (where deleted_at is null))::int as left
    from jobs where owner = 'many'`;
  return row ?? { begun: 0, left: 0 };
}
