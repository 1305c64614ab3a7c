import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { circleAround } from '../../sphere/circle.ts';
import { toVector } from '../../sphere/vector.ts';
import { indexSurvey } from '../indexing/index.ts';
import { memoryStore, smallSurvey, smallTile } from '../testing.ts';
import { heightOn, TileFinder } from './finder.ts';
import { findTiles } from './tiles.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
  // Two that overlap at right ascension 0, one at the pole; 0.2° each.
  const store = memoryStore({
    's3://bucket/small/t1.fits': smallTile([359.95, 20]),
    's3://bucket/small/t2.fits': smallTile([0.1, 20]),
    's3://bucket/small/t3.fits': smallTile([77, 90]),
  });
  await indexSurvey(smallSurvey, { db: test.records.db, store });
});
afterAll(() => test?.close());

const { signal } = new AbortController();

it('finds of many places at once what is found of each alone', async () => {
  const finder = new TileFinder(test.records.db, 'small');
  const places = Array.from({ length: 200 }, (_, i) => {
    const [ra, dec] =
      i % 4 === 0 ? [(i * 97) % 360, 89.93 + (i % 10) / 200] : [359.8 + i / 400, 19.85 + (i % 31) / 100];
    return { centre: toVector(ra % 360, dec), reach: i % 3 === 0 ? 0.03 : undefined };
  });
  const found = await finder.find(places, signal);
  let held = 0;
  for (const [i, { centre, reach }] of places.entries()) {
    const area = reach === undefined ? undefined : circleAround(centre, reach);
    const alone = await findTiles(test.records.db, { survey: 'small', centre, area });
    expect(found[i]!.map(({ up: _, ...tile }) => tile)).toEqual(alone);
    held += alone.length;
  }
  expect(held).toBeGreaterThan(100);
  // What is known is not asked for again.
  expect(await finder.find(places, signal)).toEqual(found);
});

it('tells how high a place lies on its tile: higher where its rows are', async () => {
  const finder = new TileFinder(test.records.db, 'small');
  const on = async (ra: number, dec: number): Promise<number> => {
    const centre = toVector(ra, dec);
    const tile = (await finder.find([{ centre }], signal))[0]?.[0];
    if (tile === undefined) throw new Error('No tile is there.');
    return heightOn(tile, centre);
  };
  expect(await on(0.1, 19.92)).toBeLessThan(await on(0.12, 19.95));
  expect(await on(0.12, 19.95)).toBeLessThan(await on(0.08, 20.05));
  // At the pole LONPOLE is 0 by default: rows go up along the meridian of the reference point, away from the pole.
  expect(await on(257, 89.95)).toBeLessThan(await on(77, 89.95));
});

it('asks nothing more once it is told to stop', async () => {
  const finder = new TileFinder(test.records.db, 'small');
  await expect(
    finder.find([{ centre: toVector(0, 20) }], AbortSignal.abort(new Error('stop'))),
  ).rejects.toThrow('stop');
});
