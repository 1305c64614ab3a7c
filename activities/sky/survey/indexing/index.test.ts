/** What an index refuses, and what it serves while it is made anew. */
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toVector } from '../../sphere/vector.ts';
import type { SurveyDefinition } from '../definition/definition.ts';
import { getSurvey } from '../records/surveys.ts';
import { findTiles } from '../records/tiles.ts';
import { type MemoryStore, memoryStore, smallSurvey, smallTile } from '../testing.ts';
import { indexSurvey } from './index.ts';

let test: TestRecords;
let store: MemoryStore;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test?.close());
beforeEach(async () => {
  await test.records.sql`truncate surveys, survey_files, survey_cells, survey_checksums`;
  store = memoryStore();
});

const index = (definition: SurveyDefinition, over = store) =>
  indexSurvey(definition, { db: test.records.db, store: over, atOnce: 1 });
const planesAt = async (ra: number, dec: number) =>
  (await findTiles(test.records.db, { survey: 'small', centre: toVector(ra, dec) })).map(
    ({ band, planes }) => [
      band,
      ...Object.values(planes)
        .map(({ uri }) => uri.replace('s3://bucket/small/', ''))
        .sort(),
    ],
  );

describe('weights and masks that are not of their image', () => {
  const definition: SurveyDefinition = {
    ...smallSurvey,
    bands: [
      { name: 'g', wavelength: 480 },
      { name: 'r', wavelength: 640 },
    ],
    planes: {
      image: { path: '{tile}-{band}.fits' },
      weight: { path: '{tile}-{band}-weight.fits' },
      mask: { path: '{tile}-mask.fits' },
    },
    mask: { bad: [], noData: 30 },
  };
  const put = (name: string, bytes: Uint8Array) => store.objects.set(`s3://bucket/small/${name}.fits`, bytes);
  const place = [359.999, 20] as const;

  beforeEach(() => {
    for (const name of ['t1-g', 't1-r', 't1-g-weight', 't1-r-weight', 't1-mask']) put(name, smallTile(place));
  });

  it('that fit are taken, up to what headers round, and across right ascension 0', async () => {
    // A tenth of a pixel of 0.005°.
    put('t1-mask', smallTile([0.0, 20.0005]));
    put('t1-r-weight', smallTile([359.9985, 20]));
    expect(await index(definition)).toMatchObject({ files: 5, broken: [] });
  });

  it.each([
    [
      'of another size',
      smallTile(place, { pixels: 39 }),
      'has 39 × 39 pixels, s3://bucket/small/t1-r.fits 40 × 40',
    ],
    ['moved by a pixel', smallTile([359.999, 20.005]), 'lies 1.00 pixels beside s3://bucket/small/t1-r.fits'],
    ['of another scale', smallTile(place, { scale: 0.006 }), 'pixels beside s3://bucket/small/t1-r.fits'],
    ['of another sky', smallTile([10, -20]), 'pixels beside s3://bucket/small/t1-r.fits'],
  ])('a weight %s is refused by name, and its image taken', async (_, bytes, told) => {
    put('t1-r-weight', bytes);
    const { broken, files, tiles } = await index(definition);
    expect([files, tiles]).toEqual([4, 1]);
    expect(broken).toEqual([
      {
        uri: 's3://bucket/small/t1-r-weight.fits',
        code: 'incompatible_tiles',
        detail: expect.stringMatching(/^s3:\/\/bucket\/small\/t1-r-weight\.fits: the weight of t1 /),
      },
    ]);
    expect(broken[0]!.detail).toContain(told);
    expect((await planesAt(...place)).sort()).toEqual([
      ['g', 't1-g-weight.fits', 't1-g.fits', 't1-mask.fits'],
      ['r', 't1-mask.fits', 't1-r.fits'],
    ]);
    // Once it is right, the next index takes it.
    put('t1-r-weight', smallTile(place));
    expect(await index(definition)).toMatchObject({ files: 5, broken: [], read: 1 });
  });

  it('a mask of all bands fits all of their images, or is refused', async () => {
    put('t1-r', smallTile([359.98, 20]));
    put('t1-r-weight', smallTile([359.98, 20]));
    const { broken } = await index(definition);
    expect(broken.map(({ uri, code }) => [uri.slice(18), code])).toEqual([
      ['t1-mask.fits', 'incompatible_tiles'],
    ]);
  });
});

describe('a survey that another release takes the place of', () => {
  const releases = ['dr1', 'dr2'].map((release) => ({
    ...smallSurvey,
    release,
    root: `s3://bucket/${release}/`,
  }));
  const [old, next] = releases as [SurveyDefinition, SurveyDefinition];
  const served = async () =>
    (await findTiles(test.records.db, { survey: 'small', centre: toVector(10, 20) })).map(
      ({ planes }) => planes.image?.uri,
    );
  const was = ['s3://bucket/dr1/t1.fits', 's3://bucket/dr1/t2.fits'];

  beforeEach(async () => {
    for (const { root } of releases)
      for (const tile of ['t1', 't2', 't3'])
        store.objects.set(
          `${root}${tile}.fits`,
          smallTile(tile === 't3' ? [50, 50] : [tile === 't1' ? 10 : 10.01, 20]),
        );
    await index(old);
    expect(await served()).toEqual(was);
  });

  it('answers as before until all of the new one is read', async () => {
    const meanwhile: unknown[] = [];
    const watched: MemoryStore = {
      ...store,
      get: async (uri, options) => {
        meanwhile.push([await served(), (await getSurvey(test.records.db, 'small'))?.definition.release]);
        return store.get(uri, options);
      },
    };
    expect(await index(next, watched)).toMatchObject({ read: 3, tiles: 3 });
    expect(meanwhile.length).toBeGreaterThanOrEqual(3);
    for (const one of meanwhile) expect(one).toEqual([was, 'dr1']);
    expect(await served()).toEqual(['s3://bucket/dr2/t1.fits', 's3://bucket/dr2/t2.fits']);
    expect((await getSurvey(test.records.db, 'small'))?.definition.release).toBe('dr2');
  });

  it('stays whole where the store goes away in the midst, and is replaced by the next run', async () => {
    const away: MemoryStore = {
      ...store,
      get: async (uri, options) =>
        uri.endsWith('t3.fits') ? Promise.reject(new Error('the store is away')) : store.get(uri, options),
    };
    await expect(index(next, away)).rejects.toThrow('the store is away');
    expect(await served()).toEqual(was);
    expect(await getSurvey(test.records.db, 'small')).toMatchObject({
      state: 'ready',
      tiles: 3,
      definition: old,
    });
    expect(await index(next)).toMatchObject({ tiles: 3, broken: [] });
    expect((await served())[0]).toBe('s3://bucket/dr2/t1.fits');
  });
});
