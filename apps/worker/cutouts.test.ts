import { type CutoutFacts, problemOf } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { claimFile, cutoutKey, cutoutPrefix, finishFile } from '@darkroom/sky/realtime/records/files.ts';
import {
  beginCutout,
  getCutout,
  nextCutoutId,
  recordCutout,
} from '@darkroom/sky/realtime/records/requests.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import { cutoutUpkeep } from './cutouts.ts';

let test: TestRecords;
let s3: TestS3;
let storage: Storage;
beforeAll(async () => {
  [test, s3] = await Promise.all([startRecords(), startS3()]);
  storage = createStorage({ ...s3, forcePathStyle: true });
});
afterAll(async () => {
  storage?.close();
  await Promise.all([test?.close(), s3?.stop()]);
});

const facts: CutoutFacts = {
  ...{ coverage: 1, mode: 'primary', tiles: [], verified: true, width: 1, height: 1, warnings: [] },
  levels: null,
};
const config = { cutouts: { keptSeconds: 60, requestDays: 2 } as never };
/** A sweep as if objects were put `hours` earlier than they were. */
const upkeep = (hours = 0, from: Pick<Storage, 'list' | 'remove'> = storage) =>
  cutoutUpkeep({
    records: test.records,
    config,
    storage: {
      openUploads: storage.openUploads,
      abortDirectUpload: storage.abortDirectUpload,
      remove: (...args) => from.remove(...args),
      async *list(...args) {
        for await (const { lastModified, ...info } of from.list(...args))
          yield { ...info, lastModified: new Date(lastModified.getTime() - hours * 3_600_000) };
        return undefined;
      },
    },
  }).run(new AbortController().signal);
const put = (unit: string) =>
  storage.putBytes(cutoutKey(unit), Buffer.of(1), { contentType: 'application/fits' });
const age = (digest: string, interval: string) =>
  test.records
    .sql`update cutout_files set expires_at = now() - ${interval}::interval where digest = ${digest}`;
const digests = async (): Promise<string[]> =>
  (await test.records.sql<{ digest: string }>`select digest from cutout_files order by digest`).map(
    ({ digest }) => digest,
  );

async function file(digest: string, interval?: string): Promise<void> {
  const unit = `unit-of-${digest}`;
  await claimFile(test.records.db, { digest, unit });
  await put(unit);
  await finishFile(test.records.db, { digest, unit }, { bytes: 1, facts, timings: {}, keptSeconds: 60 });
  if (interval !== undefined) await age(digest, interval);
}

it('removes files past their time with their rows, and what has no row, and nothing that somebody is told of', async () => {
  await Promise.all([file('fresh'), file('just over', '1 minute'), file('over', '6 minutes')]);
  // Of those that nobody makes any more one is forgotten, and one may still be made.
  await claimFile(test.records.db, { digest: 'making', unit: 'making' });
  await claimFile(test.records.db, { digest: 'given up', unit: 'given up' });
  await age('given up', '6 minutes');
  await Promise.all([put('left'), put('making')]);
  await upkeep();
  expect(await digests()).toEqual(['fresh', 'just over', 'making']);
  const kept = ['unit-of-fresh', 'unit-of-just over', 'making'].map(cutoutKey);
  expect(await keysUnder(storage, cutoutPrefix)).toEqual([...kept, cutoutKey('left')].sort());
  // However old: what has a row is not removed without it.
  await upkeep(2);
  expect(await keysUnder(storage, cutoutPrefix)).toEqual(kept.sort());
});

it('a file that is asked for again while it goes is made under another name', async () => {
  await file('wanted', '6 minutes');
  let asked: Awaited<ReturnType<typeof claimFile>> | undefined;
  const removing: Pick<Storage, 'list' | 'remove'> = {
    list: storage.list,
    async remove(...args) {
      // Doomed, and its object is there.
      asked ??= await claimFile(test.records.db, { digest: 'wanted', unit: 'anew' });
      await put('anew');
      await storage.remove(...args);
    },
  };
  await upkeep(0, removing);
  expect(asked).toMatchObject({ claimed: true, file: { unit: 'anew', state: 'making' } });
  expect(await digests()).toContain('wanted');
  const keys = await keysUnder(storage, cutoutPrefix);
  expect(keys).toContain(cutoutKey('anew'));
  expect(keys).not.toContain(cutoutKey('unit-of-wanted'));
});

const request = (changes: object = {}) => ({
  ...{ owner: 'ada', state: 'running' as const, survey: 's', query: {}, seconds: 0, timings: {} },
  acceptedAt: new Date(),
  ...changes,
});

it('a request has one row: with its end, which nothing that comes late takes from it', async () => {
  const { db } = test.records;
  const id = await nextCutoutId(db);
  await recordCutout(db, request({ state: 'succeeded', seconds: 2 }), id);
  // The beginning was held up on its way.
  await beginCutout(db, id, request());
  expect(await getCutout(db, id)).toMatchObject({ state: 'succeeded', seconds: 2 });
  const other = await recordCutout(db, request({ state: 'refused' }));
  expect(other).toBeGreaterThan(id);
});

it('requests whose process died come to an end, also while the store is away; old ones go, some thousand at a time', async () => {
  const { db, sql } = test.records;
  await sql`truncate cutouts`;
  const ids = [await nextCutoutId(db), await nextCutoutId(db)];
  await beginCutout(db, ids[0]!, request());
  await beginCutout(db, ids[1]!, request({ acceptedAt: new Date(Date.now() - 20 * 60_000) }));
  await sql`insert into cutouts (owner, state, survey, query, seconds, timings, accepted_at)
    select 'ada', 'succeeded', 's', '{}', 1, '{}', now() - interval '3 days' from generate_series(1, 5500)`;
  await file('stays', '6 minutes');
  const away = new Error('away');
  const failing = { list: storage.list, remove: () => Promise.reject(away) };
  await expect(upkeep(0, failing)).rejects.toBe(away);
  expect(await sql`select id::int, state, problem ->> 'code' as code from cutouts order by id`).toEqual([
    { id: ids[0], state: 'running', code: null },
    { id: ids[1], state: 'failed', code: 'internal' },
  ]);
  expect(problemOf('internal', '').retryable).toBe(true);
  // The row stays until its object is gone.
  expect(await digests()).toContain('stays');
  await upkeep();
  expect(await digests()).not.toContain('stays');
});
