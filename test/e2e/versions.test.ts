import { listVersions } from '@darkroom/models';
import { seeingModel } from '@darkroom/recognition/testing/models.ts';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestStack } from '../harness/stack.ts';
import { ApiUser, sample } from '../harness/user.ts';

/** Workers that were configured with different models take jobs of one queue. */

let stack: Awaited<ReturnType<typeof startTestStack>>;
let records: Records;
let ada: ApiUser;

beforeAll(async () => {
  stack = await startTestStack('versions', { RECOGNITION_LANES: '1' });
  await migrate(stack.stack.postgres);
  records = await openRecords({ url: stack.stack.postgres });
  const api = await stack.startApi();
  const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
  ada = new ApiUser(api.url, key);
}, 300_000);

afterAll(async () => {
  await records?.close();
  await stack?.close();
});

const soon = { timeout: 60_000, interval: 50 };
const ready = async () =>
  (await listVersions(records.db)).flatMap(({ name, state }) => (state === 'ready' ? name : [])).sort();
/** What was seen in the photos of a task, which must have succeeded. */
async function seenIn(task: string): Promise<string[]> {
  expect(await ada.ended(task)).toMatchObject({ state: 'succeeded', problem: null });
  const segments = await ada.segments(task);
  return [...new Set(segments.flatMap(({ detections }) => (detections ?? []).map(({ label }) => label)))];
}

test('a job that names the model of another worker is done by any; one that began stays with its version', async () => {
  const [cats, dogs] = [
    await seeingModel('cat', { name: 'cats' }),
    await seeingModel('dog', { name: 'dogs' }),
  ];
  const queues = { DARKROOM_QUEUES: 'light,recognition' };
  const points = { 'item.before-publish': { kill: 1 } };
  const dying = await stack.startWorker({
    ...queues,
    RECOGNITION_MODEL_PATH: dogs,
    DARKROOM_FAILPOINTS: JSON.stringify({ points }),
  });
  await expect.poll(ready, soon).toEqual(['dogs']);
  const begun = await ada.analyse([await sample('cat.jpg')], { model: 'dogs' });
  await dying.ended;
  await stack.startWorker({ ...queues, RECOGNITION_MODEL_PATH: cats });
  expect(await seenIn(begun)).toEqual(['dog']);

  await stack.startWorker({ ...queues, RECOGNITION_MODEL_PATH: dogs });
  await expect.poll(ready, soon).toEqual(['cats', 'dogs']);
  const photos = [await sample('cat.jpg'), await sample('espresso.jpg')];
  const named = ['cats', 'dogs', 'cats', 'dogs', 'cats', 'dogs'];
  const tasks = await Promise.all(named.map((model) => ada.analyse(photos, { model })));
  expect(await Promise.all(tasks.map(seenIn))).toEqual(named.map((name) => [name.slice(0, -1)]));
}, 300_000);
