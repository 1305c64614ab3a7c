/**
 * Records the database and the objects that upgrade.test.ts starts from, from real runs of the code as it is:
 * `node test/upgrade/record.ts NAME` writes test/upgrade/dumps/NAME/.
 *
 * Do it before a change of the tables, and keep the dumps of before: somebody upgrades from each of them.
 */

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFilm, type Shot } from '@darkroom/media/testing/film/film.ts';
import { makeSound } from '@darkroom/media/testing/film/sound.ts';
import { createKey, migrate, openRecords } from '@darkroom/records';
import { freePort } from '@darkroom/servers/run/ports.ts';
import { createStorage } from '@darkroom/storage';
import { alone } from '@darkroom/storage/testing.ts';
import sharp from 'sharp';
import { startTestStack } from '../harness/stack.ts';
import { ApiUser, type Photo } from '../harness/user.ts';
import { answersOf, type Index, sourcePrefix } from './answers.ts';
import { dumpDatabase, dumpObjects, writeIndex } from './dump.ts';

const [name] = process.argv.slice(2);
if (!name) throw new Error('Give the name of the dump, as in: node test/upgrade/record.ts 2026-01');
const folder = join(import.meta.dirname, 'dumps', name);
await mkdir(folder, { recursive: true });

const stack = await startTestStack('upgrade');
const { postgres, s3 } = stack.stack;
await migrate(postgres);
const records = openRecords({ url: postgres, application: 'record' });
const storage = createStorage({ ...s3, forcePathStyle: true });
const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
const jobs: Record<string, string> = {};

try {
  let api = await stack.startApi();
  let ada = new ApiUser(api.url, key);
  let worker = await stack.startWorker();
  const ends = async (what: string, id: string, state: string): Promise<string> => {
    jobs[what] = id;
    const job = await ada.ended(id);
    if (job.state !== state) throw new Error(`${what} is ${JSON.stringify(job)} instead of ${state}.`);
    console.log(`${what}: ${state}`);
    return id;
  };
  const submit = async (source: string): Promise<string> => {
    const answer = await ada.post('/v1/analysis', { source });
    if (answer.status !== 202) throw new Error(`The submit was answered ${answer.status}.`);
    return ((await answer.json()) as { task_id: string }).task_id;
  };

  const [few, many] = [await photos(3), await photos(120)];
  const half = { name: 'half.png', bytes: few[0]!.bytes.slice(0, few[0]!.bytes.length / 2) };
  const [short, long] = [await film(4), await film(30)];
  const succeeded = await ends('photo-succeeded', await ada.analyse(few), 'succeeded');
  await ends('photo-with-warnings', await ada.analyse([...few, half]), 'succeeded_with_warnings');
  await ends('photo-failed', await ada.analyse([half]), 'failed');
  await ends('video-succeeded', await ada.analyse([short]), 'succeeded');
  const sound = { name: 'song.mp4', bytes: new Uint8Array(makeSound()) };
  await ends('video-failed', await ada.analyse([sound]), 'failed');
  const rerun = await ada.post(`/v1/jobs/${succeeded}/rerun`, {});
  await ends('photo-rerun', ((await rerun.json()) as { id: string }).id, 'succeeded');
  const gone = await ends('photo-deleted', await ada.analyse(few), 'succeeded');
  while ((await ada.call(`/v1/jobs/${gone}`, { method: 'DELETE' })).status !== 204) await pause(100);
  await ends('photo-deleting', await ada.analyse(few), 'succeeded');

  for (const [kind, given] of [
    ['photo', many],
    ['video', [long]],
  ] as const) {
    const id = await ada.analyse(given);
    while ((await done(id)) === 0) await pause(5);
    await ada.post(`/v1/jobs/${id}/cancel`, { reason: 'enough' });
    await ends(`${kind}-cancelled`, id, 'cancelled');
  }

  // Jobs whose sources are away when their turn comes: they fail, and a resume finds what was put back.
  await worker.stop();
  for (const [kind, source] of [
    ['photo', few[0]!],
    ['video', short],
  ] as const) {
    const uri = `${sourcePrefix}${source.name}`;
    await storage.putBytes(uri, Buffer.from(source.bytes), { contentType: 'application/octet-stream' });
    jobs[`${kind}-resumable`] = await submit(uri);
    await storage.remove([uri], alone);
  }
  worker = await stack.startWorker();
  for (const kind of ['photo', 'video'])
    await ends(`${kind}-resumable`, jobs[`${kind}-resumable`]!, 'failed');
  for (const source of [few[0]!, short])
    await storage.putBytes(`${sourcePrefix}${source.name}`, Buffer.from(source.bytes), {
      contentType: 'application/octet-stream',
    });

  // The machine goes down in the midst of two jobs.
  jobs['video-running'] = await ada.analyse([long]);
  while ((await done(jobs['video-running'])) < 2) await pause(5);
  jobs['photo-running'] = await ada.analyse(many);
  while ((await done(jobs['photo-running'])) < 5) await pause(5);
  worker.kill('SIGKILL');
  await worker.ended;
  for (const what of ['photo-running', 'video-running']) {
    const job = await ada.job(jobs[what]!);
    console.log(`${what}: ${job.state}, ${await done(job.id)} items done`);
    if (job.state !== 'running') throw new Error(`${what} is ${job.state}.`);
  }
  jobs['photo-queued'] = await ada.analyse(few);
  jobs['video-queued'] = await ada.analyse([short]);
  jobs['photo-cancelling'] = await ada.analyse(few);

  // Then the engine: what is asked for now waits in the rows.
  const answers: Record<string, object> = {};
  for (const [what, id] of Object.entries(jobs))
    if ((await ada.call(`/v1/jobs/${id}`)).ok && (await ada.job(id)).finishedAt !== null)
      answers[what] = await answersOf(ada, id);
  await api.stop();
  api = await stack.startApi({ TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` });
  ada = new ApiUser(api.url, key);
  jobs['photo-unsent'] = await ada.analyse(few);
  jobs['video-unsent'] = await ada.analyse([short]);
  await ada.post(`/v1/jobs/${jobs['photo-cancelling']}/cancel`, { reason: 'enough' });
  await ada.call(`/v1/jobs/${jobs['photo-deleting']}`, { method: 'DELETE' });
  for (const what of ['photo-unsent', 'video-unsent', 'photo-cancelling'])
    console.log(`${what}: ${(await ada.job(jobs[what]!)).state}`);
  api.kill('SIGKILL');
  await api.ended;

  const index: Index = { jobs, answers };
  await writeIndex(index, join(folder, 'index.json.gz'));
  await dumpObjects(storage, [`s3://${s3.bucket}/`, sourcePrefix], join(folder, 'objects.ndjson.gz'));
  await dumpDatabase(postgres, join(folder, 'database.sql.gz'));
} finally {
  await records.close();
  storage.close();
  await stack.close();
}

/** Items of a job that are done. */
async function done(id: string): Promise<number> {
  const [row] = await records.sql<{ count: number }>`
    select count(*)::int as count from job_items where job_id = ${id} and state = 'succeeded'`;
  return row?.count ?? 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Small pictures, each its own. */
function photos(count: number): Promise<Photo[]> {
  const draw = async (_: unknown, index: number): Promise<Photo> => {
    const background = { r: index, g: 255 - index, b: 128 };
    const picture = sharp({ create: { width: 64, height: 48, channels: 3, background } });
    return { name: `${index}.png`, bytes: new Uint8Array(await picture.png().toBuffer()) };
  };
  return Promise.all(Array.from({ length: count }, draw));
}

/** A film of so many shots, each of one colour: its frames take little room in the dump. */
async function film(count: number): Promise<Photo> {
  const shots = Array.from({ length: count }, async (_, index): Promise<Shot> => {
    const image = join(stack.home, `shot-${index}.png`);
    const background = { r: (index * 89) % 256, g: (index * 151 + 60) % 256, b: index % 2 === 0 ? 30 : 220 };
    await sharp({ create: { width: 320, height: 180, channels: 3, background } }).toFile(image);
    return { picture: { image }, frames: 10 + (index % 3) };
  });
  const path = join(stack.home, `${count}.mp4`);
  makeFilm(path, await Promise.all(shots), { rate: { num: 10, den: 1 } });
  return { name: `${count}.mp4`, bytes: new Uint8Array(await readFile(path)) };
}
