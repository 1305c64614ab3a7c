import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { memorySource } from '../bytes/memory.ts';
import { cellOf } from '../sphere/healpix.ts';
import { contains, polygonOfSky } from '../sphere/polygon.ts';
import { separation, toVector } from '../sphere/vector.ts';
import { verifiedSource } from './checked/checksums.ts';
import { type IndexOptions, indexSurvey } from './indexing/index.ts';
import { checksumsOf } from './records/checksums.ts';
import { getSurvey, listSurveys, removeSurvey, surveyInFull } from './records/surveys.ts';
import { cellOrder, findTiles, nearestCovered, tilesIn } from './records/tiles.ts';
import { beginIndex, putFiles } from './records/writing.ts';
import { type MemoryStore, memoryStore, smallSurvey, smallTile } from './testing.ts';

let test: TestRecords;
let store: MemoryStore;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test?.close());
beforeEach(async () => {
  await test.records.sql`truncate surveys, survey_files, survey_cells, survey_checksums`;
  // Two that overlap at right ascension 0, one at the pole; 0.2° each.
  store = memoryStore({
    's3://bucket/small/t1.fits': smallTile([359.95, 20]),
    's3://bucket/small/t2.fits': smallTile([0.1, 20]),
    's3://bucket/small/t3.fits': smallTile([77, 90]),
    's3://bucket/small/notes.txt': Buffer.from('nothing'),
  });
});
const index = (changes: Partial<IndexOptions> & { definition?: typeof smallSurvey } = {}) =>
  indexSurvey(changes.definition ?? smallSurvey, { db: test.records.db, store, ...changes });
const at = async (ra: number, dec: number, survey = 'small') =>
  (await findTiles(test.records.db, { survey, centre: toVector(ra, dec) })).map(({ tile }) => tile);

describe('the index of a survey', () => {
  it('finds the tiles of a place, the deepest first, at right ascension 0 and at the pole', async () => {
    const report = await index();
    expect(report).toMatchObject({ tiles: 3, files: 3, read: 3, unchanged: 0, removed: 0, broken: [] });
    expect(report.area).toBeCloseTo(0.04 * 3 - 0.2 * (0.2 - 0.15 * Math.cos((20 * Math.PI) / 180)), 3);
    expect(await at(359.95, 20)).toEqual(['t1']);
    expect(await at(0.0, 20)).toEqual(['t1', 't2']);
    expect(await at(0.05, 20.01)).toEqual(['t2', 't1']);
    expect(await at(200, 89.95)).toEqual(['t3']);
    expect(await at(0.5, 20)).toEqual([]);
    expect(await at(359.95, 20, 'another')).toEqual([]);
    const [tile] = await findTiles(test.records.db, { survey: 'small', centre: toVector(359.95, 20) });
    expect(tile).toMatchObject({ band: 'r', depth: expect.closeTo(0.1, 5) });
    expect(tile?.planes.image).toMatchObject({
      uri: 's3://bucket/small/t1.fits',
      hdu: 0,
      width: 40,
      height: 40,
      pixelScale: expect.closeTo(0.005, 9),
      verified: false,
    });
    expect(await getSurvey(test.records.db, 'small')).toMatchObject({
      state: 'ready',
      tiles: 3,
      brokenCount: 0,
    });
  });

  it('finds the tiles that reach into an area', async () => {
    await index();
    const box = polygonOfSky([
      [0.19, 19.95],
      [0.3, 19.95],
      [0.3, 20.05],
      [0.19, 20.05],
    ]);
    const find = (area: typeof box, bands?: string[]) =>
      findTiles(test.records.db, { survey: 'small', centre: area.centre, area, ...(bands && { bands }) });
    const found = await find(box);
    expect(found.map(({ tile, depth }) => [tile, depth < 0])).toEqual([['t2', true]]);
    const wide = polygonOfSky([
      [359, 19],
      [1, 19],
      [1, 21],
      [359, 21],
    ]);
    expect((await find(wide)).map(({ tile }) => tile)).toEqual(['t1', 't2']);
    expect(await find(wide, ['g'])).toEqual([]);
  });

  it('tells the nearest place that is covered, near or at the other end of the sky', async () => {
    expect(
      await nearestCovered(test.records.db, { survey: 'small', place: toVector(0, 20) }),
    ).toBeUndefined();
    await index();
    const nearest = async (ra: number, dec: number) => {
      const found = (await nearestCovered(test.records.db, { survey: 'small', place: toVector(ra, dec) }))!;
      expect(await at(found.ra, found.dec)).not.toEqual([]);
      expect(separation(toVector(ra, dec), toVector(found.ra, found.dec))).toBeCloseTo(found.distance, 4);
      return found;
    };
    expect(await nearest(0.1, 20)).toMatchObject({ ra: expect.closeTo(0.1, 9), distance: 0 });
    // East of t2, whose edge is 0.1° from its centre.
    const east = 0.1 + 0.1 / Math.cos((20 * Math.PI) / 180);
    expect((await nearest(0.5, 20)).ra).toBeCloseTo(east, 3);
    for (const [ra, dec] of [
      [180, -89],
      [120, 10],
      [300, 80],
      [200, -20],
    ] as const)
      expect((await nearest(ra, dec)).distance).toBeCloseTo(await nearestOf(ra, dec), 4);
  });

  /** Degrees to the nearest footprint, by going through them. */
  async function nearestOf(ra: number, dec: number): Promise<number> {
    const place = toVector(ra, dec);
    const rows = await test.records.sql<{ footprint: number[] }>`select footprint from survey_files`;
    return Math.min(
      ...rows.map(({ footprint }) => {
        const corners = Array.from(
          { length: 4 },
          (_, i) => [footprint[2 * i]!, footprint[2 * i + 1]!] as const,
        );
        const polygon = polygonOfSky(corners);
        if (contains(polygon, place)) return 0;
        let least = 180;
        for (let i = 0; i < 4; i++)
          for (let step = 0; step <= 2000; step++) {
            const [a, b] = [polygon.vertices.at(i - 1)!, polygon.vertices[i]!];
            const part = step / 2000;
            const on = [0, 1, 2].map((axis) => a[axis]! * (1 - part) + b[axis]! * part) as [
              number,
              number,
              number,
            ];
            least = Math.min(least, separation(on, place));
          }
        return least;
      }),
    );
  }

  it('reads again only what has changed, and forgets what is gone', async () => {
    await index();
    store.reads.length = 0;
    expect(await index()).toMatchObject({ read: 0, unchanged: 3, removed: 0 });
    expect(store.reads).toEqual([]);
    store.objects.set('s3://bucket/small/t2.fits', smallTile([50, -10]));
    store.objects.delete('s3://bucket/small/t3.fits');
    expect(await index()).toMatchObject({ read: 1, unchanged: 1, removed: 1, tiles: 2 });
    expect(await at(0.15, 20)).toEqual([]);
    expect(await at(50, -10)).toEqual(['t2']);
    expect(await at(0, 90)).toEqual([]);
  });

  it('changes nothing where nothing is found: the paths are wrong then', async () => {
    await index();
    const elsewhere = { ...smallSurvey, root: 's3://bucket/smal/' };
    await expect(index({ definition: elsewhere })).rejects.toThrow(
      'No object under s3://bucket/smal/ is a file of small',
    );
    expect(await at(359.95, 20)).toEqual(['t1']);
  });

  it('names each file that is broken, and takes the others', async () => {
    store.objects.set('s3://bucket/small/t4.fits', Buffer.from('no FITS file'));
    store.objects.set('s3://bucket/small/t5.fits', smallTile([10, 10]).subarray(0, 4000));
    const sip = Buffer.from(smallTile([30, 10]));
    sip.write('GLON-TAN', sip.indexOf('RA---TAN'));
    store.objects.set('s3://bucket/small/t6.fits', sip);
    const report = await index();
    expect(report).toMatchObject({ tiles: 4, read: 6 });
    expect(report.broken.map(({ uri, code }) => [uri.slice(-7), code]).sort()).toEqual([
      ['t4.fits', expect.stringMatching(/fits$/)],
      ['t6.fits', 'invalid_fits'],
    ]);
    expect(report.broken.every(({ detail }) => detail.includes('s3://bucket/small/t'))).toBe(true);
    expect(await surveyInFull(test.records.db, 'small')).toMatchObject({
      brokenCount: 2,
      broken: { length: 2 },
    });
    // Another projection than the survey says.
    const other = await index({ definition: { ...smallSurvey, wcs: 'TPV' } });
    expect(other.broken.map(({ detail }) => detail).join()).toContain('is TAN, where the survey says TPV');
    expect(await at(359.95, 20)).toEqual([]);
  });

  it('leaves all as it is where the store is away, and goes on where it was', async () => {
    const away = { ...store, get: async () => Promise.reject(new Error('the store is away')) };
    await expect(index({ store: away })).rejects.toThrow('the store is away');
    const half: typeof store = {
      ...store,
      get: async (uri, options) =>
        uri.endsWith('t3.fits') ? Promise.reject(new Error('the store is away')) : store.get(uri, options),
    };
    await expect(index({ store: half, atOnce: 1 })).rejects.toThrow('the store is away');
    expect(await index()).toMatchObject({ read: 1, unchanged: 2, tiles: 3 });
  });

  it('is fenced: an earlier run writes nothing once another has begun', async () => {
    const old = await beginIndex(test.records.db, smallSurvey);
    await index();
    await expect(putFiles(test.records.db, old, { files: [], checksums: [] })).rejects.toThrow(
      'Another index of small',
    );
    let begun = false;
    const slow: typeof store = {
      ...store,
      get: async (uri, options) => {
        if (!begun) await beginIndex(test.records.db, smallSurvey);
        begun = true;
        return store.get(uri, options);
      },
    };
    store.objects.set('s3://bucket/small/t1.fits', smallTile([40, 40]));
    await expect(index({ store: slow })).rejects.toThrow('Another index of small has begun');
    expect(await at(359.95, 20)).toEqual(['t1']);
  });

  it('has planes of all bands beside those of each, and refuses two files for one', async () => {
    const definition: typeof smallSurvey = {
      ...smallSurvey,
      bands: [
        { name: 'g', wavelength: 480 },
        { name: 'r', wavelength: 640 },
      ],
      planes: {
        image: { path: '{tile}-{plane}-{band}*.fits', hdu: 'SCI' },
        weight: { path: '{tile}-weights.fits', hdu: '{band}' },
        mask: { path: '{tile}-mask.fits' },
      },
      mask: { bad: [], noData: 30 },
    };
    const tile = (extname: string) => smallTile([10, 20], { extname });
    store.objects.set('s3://bucket/small/t1-image-g.fits', tile('SCI'));
    store.objects.set('s3://bucket/small/t1-image-r.fits', tile('SCI'));
    store.objects.set('s3://bucket/small/t1-image-r2.fits', tile('SCI'));
    store.objects.set('s3://bucket/small/t1-mask.fits', tile(''));
    const report = await index({ definition });
    expect(report.broken).toEqual([
      expect.objectContaining({ uri: 's3://bucket/small/t1-image-r2.fits', code: 'doubled' }),
    ]);
    const tiles = await findTiles(test.records.db, { survey: 'small', centre: toVector(10, 20) });
    expect(tiles.map(({ band, planes }) => [band, Object.keys(planes).sort()]).sort()).toEqual([
      ['g', ['image', 'mask']],
      ['r', ['image', 'mask']],
    ]);
  });

  it('is removed with all that it had', async () => {
    await index({ verify: true });
    expect(await removeSurvey(test.records.db, 'small')).toBe(true);
    expect(await removeSurvey(test.records.db, 'small')).toBe(false);
    expect(await listSurveys(test.records.db)).toEqual([]);
    for (const table of ['survey_files', 'survey_cells', 'survey_checksums'])
      expect((await test.records.db.execute(sql.raw(`select 1 from ${table}`))).rows).toEqual([]);
  });

  it('looks a place up among thousands of tiles by its index alone', async () => {
    await beginIndex(test.records.db, smallSurvey);
    await test.records.sql`
      insert into survey_files (survey, tile, band, plane, uri, etag, bytes, hdu, asked, width, height, pixel_scale, footprint)
      select 'small', 't' || n, 'r', 'image', 's3://b/t' || n, 'e', 1, 0, '', 10, 10, 0.02, array[100, 0, 100.5, 0, 100.5, 0.3, 100, 0.3]
      from generate_series(1, 10000) n`;
    const place = toVector(100.2, 0.1);
    const cell = cellOf(place, cellOrder);
    // One in a thousand near the place.
    await test.records.sql`
      insert into survey_cells select 'small', case when id % 1000 = 0 then ${cell}::int else id * 7 + k end, id
      from survey_files, generate_series(0, 3) k on conflict do nothing`;
    await test.records.sql`analyze survey_cells, survey_files`;
    const { rows } = await test.records.db.execute<{ 'QUERY PLAN': string }>(
      sql`explain (analyze, buffers) ${tilesIn({ survey: 'small', cells: [cell], bands: undefined })}`,
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).not.toMatch(/Seq Scan on survey_(files|cells)/);
    // Blocks of 8 KiB: some for each of the ten candidates, none for other tiles.
    expect(Number(/shared hit=(\d+)/.exec(plan)?.[1])).toBeLessThan(200);
    expect(await findTiles(test.records.db, { survey: 'small', centre: place })).toHaveLength(10);
  });
});

describe('a verified survey', () => {
  it('knows files by checksums of their blocks, and keeps them with the version that they are of', async () => {
    expect(await index({ verify: true })).toMatchObject({
      read: 3,
      withoutDatasum: 0,
      broken: [],
      verified: true,
    });
    const [tile] = await findTiles(test.records.db, { survey: 'small', centre: toVector(359.95, 20) });
    const { uri, etag, verified } = tile!.planes.image!;
    expect(verified).toBe(true);
    expect(await checksumsOf(test.records.db, { survey: 'small', uri, etag })).toMatchObject({
      block: 65_536,
    });
    expect(await checksumsOf(test.records.db, { survey: 'small', uri, etag: 'other' })).toBeUndefined();
    store.reads.length = 0;
    await index({ verify: true });
    expect(store.reads).toEqual([]);
    // Without --verify the new version is taken, but not as verified.
    store.objects.set(uri, smallTile([359.95, 20], { pixels: 44 }));
    expect(await index()).toMatchObject({ verified: false });
    const [changed] = await findTiles(test.records.db, { survey: 'small', centre: toVector(359.95, 20) });
    expect(changed?.planes.image).toMatchObject({ verified: false, width: 44 });
  });

  it('does not take a file whose bytes are not what its DATASUM says', async () => {
    const uri = 's3://bucket/small/t1.fits';
    const bytes = Buffer.from(store.objects.get(uri)!);
    bytes[5000]! ^= 4;
    store.objects.set(uri, bytes);
    const report = await index({ verify: true });
    expect(report.broken).toEqual([
      { uri, code: 'corrupt_tile', detail: `${uri}: DATASUM of HDU 0 does not match its bytes.` },
    ]);
    expect(await at(359.95, 20)).toEqual([]);
    expect((await index()).broken).toEqual([]);
  });

  it('gives no wrong byte for any of a thousand flipped bits', async () => {
    const uri = 's3://bucket/small/t1.fits';
    const good = smallTile([359.95, 20], { pixels: 200 });
    store.objects.set(uri, good);
    await index({ verify: true });
    const etag = (await findTiles(test.records.db, { survey: 'small', centre: toVector(359.95, 20) }))[0]!
      .planes.image!.etag;
    const checksums = (await checksumsOf(test.records.db, { survey: 'small', uri, etag }))!;
    let state = 14;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refused = 0;
    for (let flip = 0; flip < 1000; flip++) {
      const bytes = Buffer.from(good);
      const where = random(bytes.length);
      bytes[where]! ^= 1 << random(8);
      const source = verifiedSource(memorySource(bytes, uri, etag), checksums);
      const offset = random(bytes.length);
      const read = await source.read(offset, 1 + random(40_000)).catch((error: unknown) => error);
      if (read instanceof Uint8Array)
        expect(Buffer.compare(read, good.subarray(offset, offset + read.length))).toBe(0);
      else {
        expect(read).toMatchObject({ code: 'corrupt_tile' });
        refused++;
      }
      // What holds the flipped bit is always refused, by name.
      await expect(source.read(where, 1)).rejects.toThrow(`${uri}: block ${Math.floor(where / 65_536)} `);
    }
    expect(refused).toBeGreaterThan(100);
  });

  it('is read by one range for each that was asked for', async () => {
    const bytes = Buffer.alloc(200_000, 7);
    const reads: [number, number][] = [];
    const inner = memorySource(bytes, 'x', 'e');
    const counted = {
      ...inner,
      read: async (offset: number, length: number) => {
        reads.push([offset, length]);
        return inner.read(offset, length);
      },
    };
    const { crc32 } = await import('node:zlib');
    const sums = Buffer.alloc(16);
    for (let i = 0; i < 4; i++)
      sums.writeUInt32BE(crc32(bytes.subarray(i * 65_536, (i + 1) * 65_536)), 4 * i);
    const source = verifiedSource(counted, { etag: 'e', block: 65_536, sums });
    expect((await source.read(70_000, 10)).length).toBe(10);
    expect((await source.read(65_535, 2)).length).toBe(2);
    expect((await source.read(199_990, 100)).length).toBe(10);
    expect((await source.read(200_000, 5)).length).toBe(0);
    expect(reads).toEqual([
      [65_536, 65_536],
      [0, 131_072],
      [196_608, 3392],
    ]);
    expect(() => verifiedSource(counted, { etag: 'other', block: 65_536, sums })).toThrow(
      'is not the file that was verified',
    );
  });
});
