import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { hitWork, workThroughKills } from './killing.ts';
import { digestsOf, faultsOf, itemsOf, objectsOf, type Rows, rowsOf, workersOf } from './ledger.ts';
import { busyChildren, failpoints, type Platform, startPlatform, until } from './platform.ts';
import { splitDeaths } from './video-killing.ts';

/** A video through deaths, cancels and outages: each scene once. The long form is `kills.ts --video`. */

const shots = 24;
let platform: Platform;
let source: string;
let expected: { digests: Map<string, string>; rows: Rows };

const journal = (name: string): string => join(platform.stack.home, `${name}.journal`);

beforeAll(async () => {
  platform = await startPlatform('faults-video');
  const [undisturbed] = await Promise.all([platform.videoWorker(), platform.lightWorker()]);
  source = await platform.film(shots);
  const id = await platform.submit(source);
  expect(await platform.ended(id, 240)).toMatchObject({ state: 'succeeded' });
  expected = { digests: await digestsOf(platform, id), rows: await rowsOf(platform, id) };
  // The long shot is divided once.
  expect(expected.rows).toMatchObject({ segments: shots + 1, duplicates: 0 });
  expect(await faultsOf(platform, id, expected)).toEqual([]);
  await undisturbed.stop();
}, 300_000);

afterAll(async () => {
  await platform?.close();
}, 180_000);

test('workers and decoders that are killed again and again: every scene once, a checkpoint redone at most', async () => {
  const id = await platform.submit(source);
  const { job, deaths } = await workThroughKills(platform, id, {
    seed: 3,
    journal: journal('kills'),
    worker: 'videoWorker',
    points: {
      'video.scene': { kill: 0.15, times: 2 },
      'video.scene-written': { kill: 0.15, times: 2 },
      'video.scene-saved': { kill: 0.15, times: 1 },
      'video.recognise': { kill: 0.15, times: 1 },
      'item.claimed': { kill: 0.15, times: 1 },
      'item.before-publish': { kill: 0.15, times: 1 },
      'video.draw': { kill: 1, times: 1 },
      'job.before-finish': { kill: 1, times: 1 },
    },
    seconds: 360,
  });
  expect(job).toMatchObject({ state: 'succeeded', warnings: 0 });
  expect(await faultsOf(platform, id, expected)).toEqual([]);
  expect(deaths.filter(hitWork).length).toBeGreaterThanOrEqual(4);
  for (const { inFlight, redone } of deaths) expect(inFlight).toEqual(expect.arrayContaining([...redone]));
  const inSplit = await splitDeaths(platform, id, journal('kills'), await workersOf(platform, id));
  expect(inSplit.filter(({ child }) => child).length).toBeGreaterThanOrEqual(2);
  expect(inSplit.length).toBeGreaterThanOrEqual(4);
  for (const { at, from } of inSplit) expect(at - from).toBeLessThanOrEqual(30);
}, 480_000);

describe('cancel', () => {
  test('while the video is split: within five seconds, the decoder gone, resumed where it was', async () => {
    const id = await platform.submit(source);
    const worker = await platform.videoWorker(
      failpoints({ journal: journal('cancel'), points: { 'video.scene-saved': { delayMs: 400 } } }),
    );
    onTestFinished(() => worker.stop());
    await until(async () => (await itemsOf(platform, id)).length >= 4, { what: 'some scenes' });
    const began = performance.now();
    await platform.ask('POST', `/v1/jobs/${id}/cancel`, { reason: 'enough' });
    expect(await platform.ended(id, 60)).toMatchObject({ state: 'cancelled' });
    expect(performance.now() - began).toBeLessThan(5000);
    expect(await busyChildren(worker.pid)).toEqual([]);
    const found = (await itemsOf(platform, id)).length;
    expect(found).toBeLessThan(shots);
    await worker.stop();

    const other = await platform.videoWorker();
    onTestFinished(() => other.stop());
    expect((await platform.ask('POST', `/v1/jobs/${id}/resume`)).status).toBe(202);
    expect(await platform.ended(id, 240)).toMatchObject({ state: 'succeeded', run: 2 });
    expect(await faultsOf(platform, id, expected)).toEqual([]);
    const starts = await platform.records.sql<{ line: string }>`
      select line from job_logs where job_id = ${id} and run = 2 and line like 'split: from %'`;
    expect(starts[0]?.line).not.toBe('split: from 0.000 s');
  }, 300_000);

  test('leaves what a resume goes on from, and no more', async () => {
    const id = await platform.submit(source);
    const worker = await platform.videoWorker(
      failpoints({ points: { 'video.scene-saved': { delayMs: 400 } } }),
    );
    onTestFinished(() => worker.stop());
    await until(async () => (await itemsOf(platform, id)).length >= 3, { what: 'some scenes' });
    await platform.ask('POST', `/v1/jobs/${id}/cancel`);
    await platform.ended(id, 60);
    const items = await platform.records.sql<{ state: string; image: string; input: string }>`
      select state, input ->> 'imageUri' as image, input ->> 'inputUri' as input from job_items
      where job_id = ${id} and stage = 'recognise'`;
    const kept = (await objectsOf(platform, id)).keys();
    const wanted = items.flatMap(({ state, image, input }) =>
      state === 'succeeded' ? [image] : [image, input],
    );
    const made = [...kept].filter((uri) => !uri.includes('/recognition-results/'));
    expect(made.filter((uri) => !wanted.includes(uri) && !uri.includes('/frame-inputs/'))).toEqual([]);
    await platform.ask('DELETE', `/v1/jobs/${id}`);
    await until(async () => (await objectsOf(platform, id)).size === 0, { what: 'the objects to be gone' });
  }, 300_000);
});

test('a job that is resumed after its split shows at once how far that is', async () => {
  const id = await platform.submit(source);
  const slow = failpoints({ points: { 'job.before-finish': { delayMs: 20_000 } } });
  const worker = await platform.videoWorker(slow);
  onTestFinished(() => worker.stop());
  const split = async () => {
    const { progress } = await platform.job(id);
    return progress.stages.find(({ name }) => name === 'split');
  };
  const publishing = async () => (await platform.job(id)).progress.stage === 'publish';
  await until(publishing, { seconds: 120, what: 'publish' });
  const before = await split();
  expect(before?.done).toBe(before?.total);
  await platform.ask('POST', `/v1/jobs/${id}/cancel`);
  expect(await platform.ended(id, 60)).toMatchObject({ state: 'cancelled' });
  await worker.stop();

  const other = await platform.videoWorker(slow);
  onTestFinished(() => other.stop());
  await platform.ask('POST', `/v1/jobs/${id}/resume`);
  const shown = async () => {
    const { run, state } = await platform.job(id);
    return run === 2 && state === 'running' && (await split())?.done === before?.done;
  };
  await until(shown, { what: 'the split to show as done' });
  const { stages } = (await platform.job(id)).progress;
  expect(stages.find(({ name }) => name === 'probe')).toMatchObject({ state: 'succeeded', done: 1 });
}, 300_000);

test('a video that ends its decoder every time fails by name, and the worker lives', async () => {
  const id = await platform.submit(source);
  const worker = await platform.videoWorker(failpoints({ points: { 'video.child': { killWhen: 'film' } } }));
  onTestFinished(() => worker.stop());
  expect(await platform.ended(id, 120)).toMatchObject({
    state: 'failed',
    problem: { code: 'poisonous_item' },
  });
  const [split] = await platform.records.sql<{ attempts: number }>`
    select attempts from job_stages where job_id = ${id} and name = 'split'`;
  expect(split?.attempts).toBe(1);
}, 300_000);
