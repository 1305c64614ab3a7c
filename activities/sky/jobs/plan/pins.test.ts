import { Fenced } from '@darkroom/records';
import { attemptAt, startRecords, submitted, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PinnedTile, pinnedTiles, pinTiles } from './pins.ts';

let house: TestRecords;
beforeAll(async () => {
  house = await startRecords();
});
afterAll(() => house?.close());

const pinned = (tile: string, etag: string): PinnedTile => ({
  survey: 'small',
  tile,
  band: 'r',
  planes: { image: { uri: `s3://bucket/${tile}.fits`, etag, bytes: 5760, hdu: 0, verified: false } },
});

test('tiles are what they were for the plan that goes on, and for no attempt before it', async () => {
  const { records } = house;
  const { db } = records;
  const id = await submitted(records);
  const first = await attemptAt(records, id, { activity: 'plan' });
  await pinTiles(db, first, [pinned('t1', 'old'), pinned('t2', 'old')]);
  // The survey is indexed anew, and the plan begins anew with it.
  const second = await attemptAt(records, id, { activity: 'plan', attempt: 2 });
  await pinTiles(db, second, [pinned('t1', 'new')]);
  await expect(pinTiles(db, first, [pinned('t1', 'old')])).rejects.toThrow(Fenced);
  const tiles = ['t1', 't2', 't3'];
  const found = await pinnedTiles(db, id, { survey: 'small', tiles });
  expect(found.sort((a, b) => a.tile.localeCompare(b.tile))).toEqual([
    pinned('t1', 'new'),
    pinned('t2', 'old'),
  ]);
  expect(await pinnedTiles(db, await submitted(records), { survey: 'small', tiles })).toEqual([]);
});
