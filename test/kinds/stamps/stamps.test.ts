import { job as jobDocument, manifest } from '@darkroom/contract';
import { jobActivity, planItems, workStage } from '@darkroom/frame';
import { getCheckpoint, listItems } from '@darkroom/records';
import { alone, keysUnder } from '@darkroom/storage/testing.ts';
import type { QueueDefinition } from '@darkroom/worker/workers.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { sampleBucket } from '../../../apps/local/stack/samples.ts';
import { type InProcess, startInProcess } from '../../harness/in-process.ts';
import { fileAt, filesShown } from '../../harness/shown.ts';
import { startTemporal, type TestTemporal } from '../../harness/temporal.ts';
import type { ApiUser } from '../../harness/user.ts';
import { type StampsActivities, stampsActivities } from './activities.ts';
import { type Position, position } from './contract.ts';
import { extend, extent, tileOf } from './core.ts';
import { kinds, queues, services, workflows } from './registration.ts';
import { stampsOf as rowsOfPositions } from './route.ts';
import { prepareStamps, stampsOf } from './tables.ts';

/** The tests' kind of many items, from the request to its end. */

/** While watched: how often the extent was asked for and worked out, and how many ask before it is a function of something else. */
const extents = { watched: false, pageSize: 5, asked: 0, worked: 0, same: 0 };

/** Whether a row of a catalogue comes to two stamps: one at its place, and one to the left of it. */
const several = { is: false };

/** The queue as it is, and while it is watched with small pages and the extents counted. */
const watchedQueue: QueueDefinition = {
  ...queues.stamps!,
  async activities(deps) {
    const real = stampsActivities(deps);
    const counted = jobActivity(deps, async (attempt) =>
      workStage(attempt, {
        digest: () => (++extents.asked <= extents.same ? 'extent' : 'other extent'),
        result: extent,
        async work() {
          extents.worked++;
          return null;
        },
      }),
    );
    const planSeveral = jobActivity(deps, async (attempt) =>
      planItems(attempt, {
        itemStage: 'stamp',
        row: position,
        version: 2,
        badRow: 'item fails',
        rowFailed: (number) => ({ name: `row ${number}` }),
        itemsOf: async (rows) =>
          rows.map(({ number, row }) =>
            ['right', 'left'].map((side) => {
              const place = side === 'right' ? row : { ...row, x: 40_000 - row.x };
              return { key: `${number} ${side}`, input: place, group: tileOf(place), at: row.y };
            }),
          ),
      }),
    );
    return {
      ...real,
      planStamps: (call) => (several.is ? planSeveral : real.planStamps)(call),
      measureStamps: (call) => (extents.watched ? counted : real.measureStamps)(call),
      async makeStamps(call, page) {
        const to = extents.watched ? Math.min(page.from + extents.pageSize, page.to) : page.to;
        const report = await real.makeStamps(call, { ...page, to });
        return { ...report, next: report.next ?? (to < page.to ? to : null) };
      },
    } satisfies StampsActivities;
  },
};

let temporal: TestTemporal;
let house: InProcess;
let ada: ApiUser;
beforeAll(async () => {
  // The server suggests to continue as new after so many events, 4,096 unless told otherwise.
  temporal = await startTemporal(['limit.historyCount.suggestContinueAsNew=60']);
  house = await startInProcess('stamps', {
    kinds,
    services,
    queues: { ...queues, stamps: watchedQueue },
    workflows,
    env: { TEMPORAL_ADDRESS: temporal.address },
  });
  await prepareStamps(house.records.db);
  ada = await house.user('ada');
  await house.work(['light', 'stamps']);
}, 300_000);
afterAll(async () => {
  await house?.close();
  await temporal?.stop();
}, 180_000);

const positions = (count: number): Position[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `p${index + 1}`,
    x: (index * 7919) % 40_000,
    y: (index * 104_729) % 10_000,
  }));

test('the document shows the files as they are', async () => {
  const shown = await filesShown('docs/new-kind.md', 'test/kinds/stamps');
  const files = ['contract', 'tables', 'workflow', 'activities', 'route'];
  expect([...shown.keys()]).toEqual(files.map((name) => `test/kinds/stamps/${name}.ts`));
  for (const [path, code] of shown) expect(code).toBe(await fileAt(path));
});

test('the core stands alone', () => {
  expect(tileOf({ x: 25_000, y: 9_999 })).toBe('2-0');
  expect(extend(extend(null, { x: 3, y: 4 }), { x: 1, y: 9 })).toEqual({ from: [1, 4], to: [3, 9] });
});

test('positions become stamps, rows of the table, and a job with its stages counted', async () => {
  const answer = await ada.post('/v1/stamps', { positions: positions(300) });
  expect(answer.status).toBe(202);
  const { id } = jobDocument.parse(await answer.json());
  const job = await ada.ended(id);
  expect(job).toMatchObject({ kind: 'stamps', state: 'succeeded', progress: { percent: 100 } });
  // By the kind's own definition: what it measures, and how long it keeps.
  expect(job.size).toEqual({ stamps: 300 });
  expect(Date.parse(job.resultsExpireAt ?? '') - Date.parse(job.finishedAt ?? '')).toBeCloseTo(
    7 * 24 * 3_600_000,
    -4,
  );
  expect(job.progress.stages.map(({ name, state, done, total }) => [name, state, done, total])).toEqual([
    ['plan', 'succeeded', 300, 300],
    ['measure', 'succeeded', 1, 1],
    ['stamp', 'succeeded', 300, 300],
    ['publish', 'succeeded', 300, 300],
  ]);
  const rows = await stampsOf(house.records.db, id);
  expect(rows.length).toBe(300);
  // Tile by tile: each begins once.
  const tiles = rows.map(({ tile }) => tile);
  expect(tiles.filter((tile, index) => tile !== tiles[index - 1]).sort()).toEqual([...new Set(tiles)].sort());
});

test('a job that is deleted takes its rows of the kind’s own table along, and no other job’s', async () => {
  const submit = async (): Promise<string> => {
    const answer = await ada.post('/v1/stamps', { positions: positions(3) });
    const { id } = jobDocument.parse(await answer.json());
    expect(await ada.ended(id)).toMatchObject({ state: 'succeeded' });
    return id;
  };
  const [gone, kept] = [await submit(), await submit()];
  expect(await stampsOf(house.records.db, gone)).toHaveLength(3);
  await expect
    .poll(async () => (await ada.call(`/v1/jobs/${gone}`, { method: 'DELETE' })).status, { timeout: 60_000 })
    .toBe(204);
  expect(await stampsOf(house.records.db, gone)).toEqual([]);
  expect(await stampsOf(house.records.db, kept)).toHaveLength(3);
});

/** Puts a catalogue where everybody may read it. */
async function catalogue(name: string, text: string): Promise<string> {
  const uri = `s3://${sampleBucket}/catalogues/${name}`;
  await house.storage.putBytes(uri, Buffer.from(text), { contentType: 'text/csv' });
  return uri;
}

const csvOf = (places: readonly Position[]): string =>
  `name,x,y\n${places.map(({ name, x, y }) => `${name},${x},${y}`).join('\n')}\n`;

async function submitted(request: object): Promise<string> {
  const answer = await ada.post('/v1/stamps', request);
  if (answer.status !== 202) throw new Error(await answer.text());
  return jobDocument.parse(await answer.json()).id;
}

test('a catalogue in the store is planned tile by tile; a row that is no position is a failed item by its number', async () => {
  const places = positions(400);
  const lines = csvOf(places).split('\n');
  lines[171] = 'p171,west,0';
  const id = await submitted({ catalogue: await catalogue('some.csv', lines.join('\n')) });
  const job = await ada.ended(id);
  expect(job).toMatchObject({ state: 'succeeded_with_warnings', warnings: 1, progress: { percent: 100 } });
  expect(job.progress.stages.map(({ name, done, failed, total }) => [name, done, failed, total])).toEqual([
    ['plan', 400, 0, 400],
    ['measure', 1, 0, 1],
    ['stamp', 400, 1, 400],
    ['publish', 400, 1, 400],
  ]);
  const failed = await listItems(house.records.db, id, { state: 'failed', limit: 9 });
  expect(failed).toMatchObject([{ key: '171', problem: { code: 'invalid_row' } }]);
  const rows = await stampsOf(house.records.db, id);
  expect(rows.map(({ name }) => name).sort()).toEqual(
    places.flatMap(({ name }) => (name === 'p171' ? [] : [name])).sort(),
  );
  const items = await listItems(house.records.db, id, { limit: 500 });
  expect(items.map(({ stage }) => stage)).toEqual(places.map(() => 'stamp'));
  const groups = items.map(({ group }) => group);
  expect(groups.filter((group, index) => group !== groups[index - 1]).length).toBe(new Set(groups).size);
});

test('a row may come to several stamps, each within its own tile: what a cancel has left is made later, and a rerun makes all', async () => {
  watch();
  several.is = true;
  onTestFinished(() => {
    several.is = false;
  });
  const rows = 200;
  const lines = csvOf(positions(rows)).split('\n');
  lines[171] = 'p171,west,0';
  const uri = await catalogue('several.csv', lines.join('\n'));
  const id = await submitted({ catalogue: uri });
  await expect
    .poll(async () => (await stampsOf(house.records.db, id)).length, { timeout: 60_000, interval: 50 })
    .toBeGreaterThan(5);
  await ada.post(`/v1/jobs/${id}/cancel`);
  expect(await ada.ended(id)).toMatchObject({ state: 'cancelled' });
  const before = await stampsOf(house.records.db, id);
  expect(before.length).toBeLessThan(2 * rows - 2);

  extents.pageSize = 400;
  await ada.post(`/v1/jobs/${id}/resume`);
  const items = 2 * (rows - 1) + 1;
  const expectWhole = async (jobId: string): Promise<void> => {
    const job = await ada.ended(jobId);
    expect(job).toMatchObject({ state: 'succeeded_with_warnings', warnings: 1, progress: { percent: 100 } });
    expect(job.size).toEqual({ stamps: items });
    expect(job.progress.stages.map(({ name, done, failed, total }) => [name, done, failed, total])).toEqual([
      ['plan', rows, 0, rows],
      ['measure', 1, 0, 1],
      ['stamp', items, 1, items],
      ['publish', items, 1, items],
    ]);
    const made = await stampsOf(house.records.db, jobId);
    expect(made.length).toBe(items - 1);
    const tiles = made.map(({ tile }) => tile);
    expect(tiles.filter((tile, nth) => tile !== tiles[nth - 1]).length).toBe(new Set(tiles).size);
    const ledger = await listItems(house.records.db, jobId, { limit: 1000 });
    for (const of of Map.groupBy(ledger, ({ group }) => group).values()) {
      const ys = of.map(({ input }) => (input as Position).y);
      expect(ys).toEqual(ys.toSorted((one, other) => one - other));
    }
    expect(ledger.filter(({ state }) => state === 'failed')).toMatchObject([
      { key: '171', input: { name: 'row 171' }, problem: { code: 'invalid_row' } },
    ]);
  };
  await expectWhole(id);
  const attempts = await house.records.sql<{ run: number; items: number }>`
    select run, count(*)::int as items from job_items
    where job_id = ${id} and state = 'succeeded' group by run order by run`;
  expect(attempts).toEqual([
    { run: 1, items: before.length },
    { run: 2, items: items - 1 - before.length },
  ]);
  const again = jobDocument.parse(await (await ada.post(`/v1/jobs/${id}/rerun`, { bytes: 4 })).json());
  await expectWhole(again.id);
}, 300_000);

test('by choice a bad row fails the job before any stamp is made, and names the row', async () => {
  const uri = await catalogue('bad.csv', `${csvOf(positions(1000))}x,1\n`);
  const id = await submitted({ catalogue: uri, badRow: 'job fails' });
  const job = await ada.ended(id);
  expect(job).toMatchObject({ state: 'failed', problem: { code: 'invalid_row', fault: 'yours' } });
  expect(job.problem?.detail).toBe('Row 1001: it has 2 cells, and the header 3.');
  expect(await stampsOf(house.records.db, id)).toEqual([]);
});

test('a catalogue that was not granted, has another name or is missing is refused at once', async () => {
  const codeOf = async (uri: string) =>
    ((await (await ada.post('/v1/stamps', { catalogue: uri })).json()) as { code: string }).code;
  expect(await codeOf('s3://elsewhere/a.csv')).toBe('source_not_granted');
  expect(await codeOf(`s3://${sampleBucket}/catalogues/a.fits`)).toBe('validation_failed');
  expect(await codeOf(`s3://${sampleBucket}/catalogues/none.csv`)).toBe('source_not_found');
});

test('more rows than a transaction takes are stored and planned; it runs again, and is removed with what it stored', async () => {
  const caller = { owner: 'ada', group: null, role: 'user', priority: 3 } as const;
  const input = { bytes: 8, badRow: 'item fails', keep: true };
  const submit = () =>
    house.dispatch.submitRows('stamps', caller, {
      idempotencyKey: 'many',
      input,
      stage: 'plan',
      ...rowsOfPositions(positions(1001)),
    });
  const { jobId } = await submit();
  // What the same request had stored again is gone with it.
  expect(await submit()).toEqual({ jobId, duplicate: true });
  expect(await keysUnder(house.storage, 'stamp-catalogues/')).toHaveLength(1);
  expect(await ada.ended(jobId)).toMatchObject({ state: 'succeeded' });
  expect(await keysUnder(house.storage, `stamp-catalogues/${jobId}/`)).toHaveLength(1);
  const { files } = manifest.parse(
    JSON.parse((await house.storage.getBytes(`stamps/${jobId}/manifest.json`, { maxBytes: 1e7 })).toString()),
  );
  expect(files.length).toBe(1001);

  const again = jobDocument.parse(await (await ada.post(`/v1/jobs/${jobId}/rerun`, { bytes: 4 })).json());
  expect(await ada.ended(again.id)).toMatchObject({ state: 'succeeded', rerunOf: jobId });
  for (const id of [jobId, again.id]) {
    await expect
      .poll(async () => (await ada.call(`/v1/jobs/${id}`, { method: 'DELETE' })).status, { timeout: 60_000 })
      .toBe(204);
    expect(await keysUnder(house.storage, `stamps/${id}/`)).toHaveLength(0);
    expect(await stampsOf(house.records.db, id)).toEqual([]);
  }
  expect(await keysUnder(house.storage, `stamp-catalogues/${jobId}/`)).toHaveLength(0);
});

async function sent(csv: Buffer<ArrayBuffer>, query = ''): Promise<string> {
  const headers = { 'content-type': 'text/csv' };
  const answer = await ada.call(`/v1/stamps${query}`, { method: 'POST', headers, body: csv });
  if (answer.status !== 202) throw new Error(await answer.text());
  return jobDocument.parse(await answer.json()).id;
}

test('a catalogue of a hundred thousand rows that is sent becomes the same items as one in the store', async () => {
  const rows = 100_000;
  const lines = csvOf(positions(rows)).trimEnd().split('\n');
  // As Latin-1, so that one row is no UTF-8, and the mark of UTF-8 stands before the header.
  lines[171] = 'p\xff,1,1';
  const bytes = Buffer.from(`\xef\xbb\xbf${lines.join('\r\n')}\r\n`, 'latin1');
  const uri = `s3://${sampleBucket}/catalogues/same.csv`;
  await house.storage.putBytes(uri, bytes, { contentType: 'text/csv' });
  const ids = [
    await submitted({ catalogue: uri, bytes: 0, keep: false }),
    await sent(bytes, '?bytes=0&keep=false'),
  ];
  const made = ids.map(async (id) => {
    const isPlanned = async () => (await getCheckpoint(house.records.db, id, 'plan'))?.done;
    await expect.poll(isPlanned, { timeout: 120_000 }).toBe(true);
    await ada.post(`/v1/jobs/${id}/cancel`);
    await ada.ended(id);
    const [items] = await house.records.sql`
      select count(*)::int as items, count(problem)::int as failed,
        md5(string_agg(concat_ws(' ', ordinal, key, group_name, input, problem), ',' order by ordinal)) as digest
      from job_items where job_id = ${id} and stage = 'stamp'`;
    return items;
  });
  const [first, second] = await Promise.all(made);
  expect(first).toMatchObject({ items: rows, failed: 1 });
  expect(second).toEqual(first);
  const failed = await listItems(house.records.db, ids[1]!, { state: 'failed', limit: 9 });
  expect(failed).toMatchObject([{ key: '171', problem: { detail: 'Row 171: it is not UTF-8.' } }]);
}, 300_000);

test('a catalogue that is sent with a header alone fails its job as one in the store does', async () => {
  const job = await ada.ended(await sent(Buffer.from('name,x,y\n')));
  expect(job).toMatchObject({ state: 'failed', problem: { code: 'empty_file', fault: 'yours' } });
});

/** Has the queue watched until the test is over. */
function watch(same = Number.POSITIVE_INFINITY): void {
  Object.assign(extents, { watched: true, pageSize: 5, asked: 0, worked: 0, same });
  onTestFinished(() => {
    extents.watched = false;
  });
}

/** How many runs of the engine a job has been through a stage in. */
async function runsThrough(id: string, stage: string): Promise<number> {
  const { rows } = await house.records.db.execute(sql`
    select distinct split_part(activity, '/', 1) from job_attempts where job_id = ${id} and stage = ${stage}`);
  return rows.length;
}

test('a stage without items is skipped by the runs that a job continues as, for as long as it is a function of the same', async () => {
  watch(2);
  const id = await submitted({ positions: positions(150), bytes: 0 });
  expect(await ada.ended(id)).toMatchObject({ state: 'succeeded' });
  const runs = await runsThrough(id, 'measure');
  expect(runs).toBeGreaterThan(2);
  expect(extents).toMatchObject({ asked: runs, worked: 2 });
  expect(await stampsOf(house.records.db, id)).toHaveLength(150);
});

test('a job that continues as new plans once, is cancelled in whichever run it is, and makes each stamp once', async () => {
  watch();
  const uri = await catalogue('continued.csv', csvOf(positions(400)));
  const id = await submitted({ catalogue: uri, bytes: 0 });
  const isPlanned = async () => (await getCheckpoint(house.records.db, id, 'plan'))?.done;
  await expect.poll(isPlanned, { timeout: 60_000 }).toBe(true);
  // Whoever planned it again would not find it.
  await house.storage.remove([uri], alone);
  await expect.poll(() => runsThrough(id, 'plan'), { timeout: 60_000, interval: 50 }).toBeGreaterThan(2);
  await ada.post(`/v1/jobs/${id}/cancel`, { reason: 'enough' });
  expect(await ada.ended(id)).toMatchObject({ state: 'cancelled', cancelReason: 'enough' });
  const made = (await stampsOf(house.records.db, id)).length;
  expect(made).toBeLessThan(400);

  extents.pageSize = 400;
  await ada.post(`/v1/jobs/${id}/resume`);
  expect(await ada.ended(id)).toMatchObject({ state: 'succeeded', run: 2 });
  expect(await stampsOf(house.records.db, id)).toHaveLength(400);
  expect(extents.worked).toBe(1);
  const attempts = await house.records.sql`
    select run, attempt, count(*)::int as items from job_items
    where job_id = ${id} and stage = 'stamp' group by run, attempt order by run`;
  expect(attempts).toEqual([
    { run: 1, attempt: 1, items: made },
    { run: 2, attempt: 1, items: 400 - made },
  ]);
});
