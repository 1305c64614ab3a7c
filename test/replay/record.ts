/**
 * Records the histories that replay.test.ts replays, anew, from real runs: `node test/replay/record.ts [photo] [whole] [batch] [video] [cutouts]
 * [upkeep] [removal] [unit]`; all without a name. Those of the tests' own stories: record-stories.ts.
 *
 * Do it on purpose: a history that fails to replay tells that runs which are under way would break, and calls for
 * `patched()`. Record anew when a kind is added, or when no run of the old story can be left anywhere.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { job } from '@darkroom/contract';
import { kinds } from '@darkroom/kinds';
import { makeFilm, type Shot } from '@darkroom/media/testing/film/film.ts';
import { makeSound } from '@darkroom/media/testing/film/sound.ts';
import { zipOf } from '@darkroom/recognition/testing/archives.ts';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { queueDefinitions } from '@darkroom/worker/workers.ts';
import sharp from 'sharp';
import { csvOf, type Row, rowsOn, surveyOf, tileFile } from '../faults/cutouts/tiles.ts';
import { startInProcess } from '../harness/in-process.ts';
import { type Photo, sample } from '../harness/user.ts';
import { writeHistory } from './histories.ts';

const folder = join(import.meta.dirname, 'histories');
const stories = {
  photo: recordPhoto,
  whole: recordWhole,
  batch: recordBatch,
  video: recordVideo,
  cutouts: recordCutouts,
  upkeep: recordUpkeep,
  removal: recordRemoval,
  unit: recordUnit,
};
const wanted = process.argv.slice(2);
const chosen = Object.entries(stories).filter(([name]) => wanted.length === 0 || wanted.includes(name));
await mkdir(folder, { recursive: true });

const echo = { activities: async () => ({ echo: async (given: unknown) => given }), slots: () => 1 };
/** Where results are delivered to. */
const delivered = await mkdtemp(join(tmpdir(), 'darkroom-delivered-'));
const house = await startInProcess('record', {
  kinds,
  queues: { ...queueDefinitions, echo },
  // Of standalone activities there is nothing to replay, of what stands in for them there is.
  env: {
    TEMPORAL_STANDALONE_ACTIVITIES: 'never',
    BATCH_NICE: '0',
    DELIVERY_DIRECTORIES: JSON.stringify([{ everyone: true, path: delivered }]),
  },
});
const ada = await house.user('ada');
await house.work();

try {
  for (const [name, record] of chosen) {
    for (const file of await readdir(folder)) if (file.startsWith(`${name}-`)) await rm(join(folder, file));
    await record();
  }
} finally {
  await house.close();
  await rm(delivered, { recursive: true });
}

async function recordPhoto(): Promise<void> {
  const cat = await sample('cat.jpg');
  await keep('photo-succeeded', await ada.analyse([cat]), 'succeeded');

  const half = { name: 'half.jpg', bytes: cat.bytes.slice(0, cat.bytes.length / 2) };
  await keep('photo-failed', await ada.analyse([half]), 'failed');
  await keep('photo-with-warnings', await ada.analyse([cat, half]), 'succeeded_with_warnings');

  const many = await photos(100);
  await keep('photo-many-pages', await ada.analyse(many), 'succeeded');

  for (const way of ['api', 'signal'] as const) {
    const task = await ada.analyse(many);
    while ((await ada.job(task)).state === 'queued') await sleep(20);
    if (way === 'api') await ada.post(`/v1/jobs/${task}/cancel`, { reason: 'enough' });
    else await house.temporal.workflow.getHandle(task).signal('cancel', 'enough');
    await keep(`photo-cancelled-by-${way}`, task, 'cancelled');
    if (way === 'signal') continue;
    await ada.post(`/v1/jobs/${task}/resume`);
    await keep('photo-resumed', task, 'succeeded');
  }
}

/** Jobs of one page, which that page's activity publishes; those of `photo` from before have an activity of their own for it. */
async function recordWhole(): Promise<void> {
  const cat = await sample('cat.jpg');
  await keep('whole-photo-succeeded', await ada.analyse([cat]), 'succeeded');
  const half = { name: 'half.jpg', bytes: cat.bytes.slice(0, cat.bytes.length / 2) };
  await keep('whole-photo-failed', await ada.analyse([half]), 'failed');
  await keep('whole-photo-with-warnings', await ada.analyse([cat, half]), 'succeeded_with_warnings');
}

async function recordBatch(): Promise<void> {
  const pack = (pictures: readonly Photo[]) =>
    new Uint8Array(zipOf(pictures.map(({ name, bytes }) => ({ name, body: bytes }))));
  const submit = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> => {
    const headers = { 'content-type': 'application/zip' };
    const answer = await ada.call('/v1/batch-predictions', { method: 'POST', headers, body: bytes });
    return job.parse(await answer.json()).id;
  };
  const some = await photos(60);
  await keep('batch-succeeded', await submit(pack(some)), 'succeeded');
  const words = { name: 'words.jpg', bytes: new TextEncoder().encode('only words') };
  const mixed = pack([...some.slice(1, 3), words]);
  await keep('batch-with-warnings', await submit(mixed), 'succeeded_with_warnings');
  await keep('batch-failed', await submit(words.bytes), 'failed');

  const id = await submit(pack(await photos(250)));
  const predicted = async () =>
    (await ada.job(id)).progress.stages.some(({ name, done }) => name === 'predict' && done > 0);
  while (!(await predicted())) await sleep(20);
  await ada.post(`/v1/jobs/${id}/cancel`, { reason: 'enough' });
  await keep('batch-cancelled-by-api', id, 'cancelled');
  await ada.post(`/v1/jobs/${id}/resume`);
  await keep('batch-resumed', id, 'succeeded');
}

async function recordUnit(): Promise<void> {
  for (const [name, activity] of [
    ['unit-succeeded', 'echo'],
    ['unit-failed', 'nobody'],
  ] as const) {
    await house.dispatch.units.start({
      id: name,
      activity,
      queue: 'echo',
      args: ['echo'],
      priority: { priorityKey: 3, fairnessKey: 'ada' },
      attempts: 1,
      attemptSeconds: 2,
    });
    await waitFor(async () => (await house.dispatch.units.describe(name)) !== 'running');
    await write(name, `unit/${name}`);
  }
}

async function recordVideo(): Promise<void> {
  const film = await sample('film.mp4');
  await keep('video-succeeded', await ada.analyse([film]), 'succeeded');
  const sound = { name: 'song.mp4', bytes: new Uint8Array(makeSound()) };
  await keep('video-failed', await ada.analyse([sound]), 'failed');

  // More scenes than a page has, so that pages are recognised while others are split.
  const path = join(house.config.home, 'many-scenes.mp4');
  makeFilm(path, shots(60), { rate: { num: 10, den: 1 } });
  const many = { name: 'many-scenes.mp4', bytes: new Uint8Array(await readFile(path)) };
  await keep('video-many-pages', await ada.analyse([many]), 'succeeded');

  const task = await ada.analyse([many]);
  while ((await ada.segments(task)).length < 5) await sleep(20);
  await ada.post(`/v1/jobs/${task}/cancel`, { reason: 'enough' });
  await keep('video-cancelled-by-api', task, 'cancelled');
  await ada.post(`/v1/jobs/${task}/resume`);
  await keep('video-resumed', task, 'succeeded');
}

/** Positions on four tiles, some of them on the edge of two: several pages, and some of cutouts of several tiles. */
async function recordCutouts(): Promise<void> {
  const { records, storage } = house;
  const survey = surveyOf('recorded', storage.bucket);
  for (const tile of [0, 1, 2, 3])
    await storage.putBytes(`${survey.root}t${tile}.fits`, tileFile(tile), {
      contentType: 'application/fits',
    });
  await indexSurvey(survey, { db: records.db, store: storage });
  const submit = async (rows: readonly Row[], options: Record<string, string> = {}): Promise<string> => {
    const query = new URLSearchParams({ survey: survey.name, size: '16px', ...options });
    const headers = { 'content-type': 'text/csv' };
    const answer = await ada.call(`/v1/cutouts?${query}`, { method: 'POST', headers, body: csvOf(rows) });
    return job.parse(await answer.json()).id;
  };
  const rows = rowsOn(4, 500);
  const few = rows.slice(0, 20);
  const away = { ...few[0]!, id: 'away', dec: 40 };
  await keep('cutouts-many-pages', await submit(rows), 'succeeded');
  await keep('cutouts-with-warnings', await submit([...few, away]), 'succeeded_with_warnings');
  await keep('cutouts-failed', await submit([away]), 'failed');
  const deliverTo = `${pathToFileURL(delivered)}/`;
  await keep('cutouts-delivered', await submit(few, { deliverTo }), 'succeeded');

  const id = await submit(rows);
  const cut = async () =>
    (await ada.job(id)).progress.stages.some(({ name, done }) => name === 'cut' && done > 0);
  while (!(await cut())) await sleep(20);
  await ada.post(`/v1/jobs/${id}/cancel`, { reason: 'enough' });
  await keep('cutouts-cancelled-by-api', id, 'cancelled');
  await ada.post(`/v1/jobs/${id}/resume`);
  await keep('cutouts-resumed', id, 'succeeded');
}

/** By turns. */
async function recordRemoval(): Promise<void> {
  const one = await ada.analyse([await sample('cat.jpg')]);
  await ada.ended(one);
  await ada.call(`/v1/jobs/${one}`, { method: 'DELETE' });
  await waitFor(async () => (await ada.call(`/v1/jobs/${one}`, { method: 'DELETE' })).status === 204);
  await write('removal-by-turns', `removal/${one}`);
}

async function recordUpkeep(): Promise<void> {
  const one = await ada.analyse([await sample('cat.jpg')]);
  await ada.ended(one);
  // Its last step comes ten minutes later; what is under way replays too.
  await ada.call(`/v1/jobs/${one}`, { method: 'DELETE' });
  await waitFor(async () => (await ada.call(`/v1/jobs/${one}`, { method: 'DELETE' })).status === 204);
  await write('upkeep-removal-under-way', `removal/${one}`);

  // Whose run is still to end when the removal begins.
  const two = await ada.analyse(await photos(100));
  while ((await ada.job(two)).state === 'queued') await sleep(20);
  await ada.call(`/v1/jobs/${two}`, { method: 'DELETE' });
  await waitFor(async () => (await ada.call(`/v1/jobs/${two}`, { method: 'DELETE' })).status === 204);
  await write('upkeep-removal-waits', `removal/${two}`);

  let sweep: string | undefined;
  await waitFor(async () => {
    const query = "WorkflowType = 'sweep' AND ExecutionStatus = 'Completed'";
    for await (const run of house.temporal.workflow.list({ query })) sweep = run.workflowId;
    return sweep !== undefined;
  });
  await write('upkeep-sweep-succeeded', sweep!);
}

/** Shots of a second each that nobody takes for one another. */
function shots(count: number): Shot[] {
  return Array.from({ length: count }, (_, seed) => ({ picture: { seed }, frames: 10 + (seed % 3) }));
}

/** Waits for the job's end and keeps its history. */
async function keep(name: string, jobId: string, state: string): Promise<void> {
  const job = await ada.ended(jobId, 300_000);
  if (job.state !== state) throw new Error(`${name}: the job is ${job.state} instead of ${state}.`);
  const handle = house.temporal.workflow.getHandle(jobId);
  await waitFor(async () => (await handle.describe()).status.name !== 'RUNNING');
  await write(name, jobId);
}

async function write(name: string, workflowId: string): Promise<void> {
  const history = await house.temporal.workflow.getHandle(workflowId).fetchHistory();
  await writeHistory(name, history);
  console.log(`${name}: ${history.events?.length} events`);
}

/** Small pictures, each its own. */
async function photos(count: number): Promise<Photo[]> {
  const draw = async (_: unknown, index: number): Promise<Photo> => {
    const background = { r: index, g: 255 - index, b: 128 };
    const picture = sharp({ create: { width: 64, height: 48, channels: 3, background } });
    return { name: `${index}.png`, bytes: new Uint8Array(await picture.png().toBuffer()) };
  };
  return Promise.all(Array.from({ length: count }, draw));
}

async function waitFor(ready: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await ready()); tries++) {
    if (tries > 300) throw new Error('Waited a minute in vain.');
    await sleep(200);
  }
}
