import { job as jobDocument } from '@darkroom/contract';
import { createKey, getCheckpoint, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sampleBucket } from '../../../apps/local/stack/samples.ts';
import { failpoints, until } from '../../faults/platform.ts';
import { startTestStack, type TestStack } from '../../harness/stack.ts';
import { ApiUser } from '../../harness/user.ts';
import { prepareStamps } from './tables.ts';

/** A catalogue that is planned by workers which die, and by one that is told to stop. */

const rows = 72_000;
/** No position. */
const badRow = 70_001;

let stack: TestStack & { close(): Promise<void> };
let records: Records;
let storage: Storage;
let ada: ApiUser;
let catalogue: string;
beforeAll(async () => {
  stack = await startTestStack('stamps plan');
  const { postgres, s3 } = stack.stack;
  await migrate(postgres);
  records = openRecords({ url: postgres, application: 'test' });
  await prepareStamps(records.db);
  storage = createStorage({ ...s3, forcePathStyle: true });
  const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
  const { url } = await stack.startApi({}, 'test/kinds/stamps/api-process.ts');
  ada = new ApiUser(url, key);
  const lines = Array.from({ length: rows }, (_, index) =>
    index + 1 === badRow
      ? `p${badRow},east,1`
      : `p${index + 1},${(index * 7919) % 100_000},${index % 10_000}`,
  );
  catalogue = `s3://${sampleBucket}/catalogues/many.csv`;
  await storage.putBytes(catalogue, Buffer.from(`name,x,y\n${lines.join('\n')}\n`), {
    contentType: 'text/csv',
  });
}, 300_000);
afterAll(async () => {
  storage?.close();
  await records?.close();
  await stack?.close();
}, 180_000);

const worker = (points: Record<string, { delayMs: number }> = {}) =>
  stack.startWorker(failpoints({ points }), 'test/kinds/stamps/worker-process.ts');

async function submitted(): Promise<string> {
  const answer = await ada.post('/v1/stamps', { catalogue, bytes: 8, keep: false });
  if (answer.status !== 202) throw new Error(await answer.text());
  return jobDocument.parse(await answer.json()).id;
}

const planned = async (id: string): Promise<number> =>
  (await getCheckpoint(records.db, id, 'plan'))?.found ?? 0;
const isDone = async (id: string): Promise<boolean> =>
  (await getCheckpoint(records.db, id, 'plan'))?.done === true;
const halfDone = (id: string) =>
  until(async () => (await planned(id)) >= rows / 2, { seconds: 120, what: 'half of the plan' });

test('a plan whose worker is killed in its middle goes on behind its checkpoint, and makes each row an item once', async () => {
  const dying = await worker({ 'plan.saved': { delayMs: 150 } });
  const id = await submitted();
  await halfDone(id);
  dying.kill('SIGKILL');
  await dying.ended;
  const before = await planned(id);
  expect(before).toBeLessThan(rows);
  const next = await worker();
  await until(() => isDone(id), { seconds: 180, what: 'the plan' });
  const log = (await (await ada.call(`/v1/jobs/${id}/log`)).text()).split('\n');
  expect(log.some((line) => line.includes(`plan: on behind row ${before}`))).toBe(true);
  await ada.post(`/v1/jobs/${id}/cancel`);

  const found = await records.sql`
    select count(*)::int as items, count(distinct key)::int as keys, min(ordinal) as first, max(ordinal) as last,
      count(*) filter (where input ->> 'name' = 'p' || key)::int as positions,
      string_agg(key, ',') filter (where input ->> 'name' is null) as others
    from job_items where job_id = ${id} and stage = 'stamp'`;
  expect(found).toEqual([
    { items: rows, keys: rows, first: 1, last: rows, positions: rows - 1, others: String(badRow) },
  ]);
  const groups = await records.sql`
    select group_name, count(*)::int as items, max(ordinal) - min(ordinal) + 1 as span
    from job_items where job_id = ${id} and stage = 'stamp' group by group_name`;
  expect(groups.length).toBe(11);
  for (const { items, span } of groups) expect(items).toBe(span);
  expect(await ada.ended(id)).toMatchObject({ state: 'cancelled' });
  await next.stop();
}, 300_000);

test('a cancel ends a plan where it stands; the job that is resumed goes on behind it, as after a worker that was told to stop', async () => {
  // A worker that is told to stop works on for some seconds: the whole plan must take longer.
  const slow = await worker({ 'plan.saved': { delayMs: 1500 } });
  const id = await submitted();
  await until(async () => (await planned(id)) > 0, { seconds: 120, what: 'the first rows' });
  await ada.post(`/v1/jobs/${id}/cancel`);
  expect(await ada.ended(id)).toMatchObject({ state: 'cancelled' });
  const cancelled = await planned(id);
  expect(cancelled).toBeLessThan(rows);

  await ada.post(`/v1/jobs/${id}/resume`);
  await until(async () => (await planned(id)) > cancelled, { seconds: 120, what: 'the plan to go on' });
  await slow.stop();
  const stopped = await planned(id);
  expect(stopped).toBeLessThan(rows);
  const next = await worker();
  await until(() => isDone(id), { seconds: 180, what: 'the plan' });
  expect(await planned(id)).toBe(rows);
  const log = await (await ada.call(`/v1/jobs/${id}/log`)).text();
  for (const row of [cancelled, stopped]) expect(log).toContain(`plan: on behind row ${row}`);
  await ada.post(`/v1/jobs/${id}/cancel`);
  expect(await ada.ended(id)).toMatchObject({ state: 'cancelled' });
  await next.stop();
}, 300_000);
