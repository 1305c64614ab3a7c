import { type CutoutItem, type CutoutsOptions, cutoutsOptions, mosaicGroups } from '@darkroom/contract';
import { describe, expect, it } from 'vitest';
import { circleAround } from '../../sphere/circle.ts';
import { depthOf, overlaps, polygonOfSky } from '../../sphere/polygon.ts';
import type { FoundTile, Place } from '../../survey/records/finder.ts';
import { smallSurvey } from '../../survey/testing.ts';
import { rowFrom } from '../list/rows.ts';
import { resolveSets } from '../list/sets.ts';
import { CutoutItems } from './items.ts';
import type { PinnedTile } from './pins.ts';

/** Two tiles of 0.2°, side by side on the equator: their border is at right ascension 10. */
const tiles = [9.9, 10.1].map((ra, i): Omit<FoundTile, 'depth'> => {
  const file = { uri: `s3://b/t${i + 1}`, etag: 'e', bytes: 1, hdu: 0, verified: false };
  return {
    tile: `t${i + 1}`,
    band: 'r',
    up: [0, 0, 1],
    footprint: polygonOfSky([
      [ra - 0.1, -0.1],
      [ra + 0.1, -0.1],
      [ra + 0.1, 0.1],
      [ra - 0.1, 0.1],
    ]),
    planes: { image: { ...file, width: 200, height: 200, pixelScale: 0.001 } },
  };
});

const finder = {
  find: async (places: readonly Place[]) =>
    places.map(({ centre, reach }) =>
      tiles
        .map((tile): FoundTile => ({ ...tile, depth: depthOf(tile.footprint, centre) }))
        .filter(
          ({ depth, footprint }) =>
            depth >= 0 || (reach !== undefined && overlaps(footprint, circleAround(centre, reach))),
        )
        .sort((a, b) => b.depth - a.depth),
    ),
};
const { signal } = new AbortController();

function itemsFor(changes: Partial<CutoutsOptions> = {}) {
  const options = cutoutsOptions.parse({ survey: 'small', size: '10px', ...changes });
  const pinned: PinnedTile[] = [];
  const items = new CutoutItems({
    options,
    sets: resolveSets(options, () => smallSurvey),
    finderOf: () => finder,
    limitsOf: () => ({ degrees: 0.1, pixels: 1e6, allPixels: 1e7, memoryBytes: 2 ** 28 }),
    pin: async (fresh) => void pinned.push(...fresh),
  });
  /** Goes through a list twice, as the plan does; the second time from row `from` on. */
  const plan = async (list: readonly object[], from = 1) => {
    const pass = async (first: number) => {
      const rows = list.slice(first - 1).flatMap((value, i) => {
        const read = rowFrom(value);
        if ('row' in read) return [{ number: first + i, row: read.row }];
        items.broken(first + i, value);
        return [];
      });
      return (await items.itemsOf(rows, signal)).flat();
    };
    const before = pinned.length;
    const first = await pass(1);
    expect(pinned).toHaveLength(before);
    items.allRead();
    const second = await pass(from);
    expect(second.map(({ key, group, at }) => ({ key, group, at }))).toEqual(
      first.slice(first.length - second.length).map(({ key, group, at }) => ({ key, group, at })),
    );
    return second.map((item) => ({ ...item, input: item.input as CutoutItem }));
  };
  return { items, plan, pinned };
}

describe('the cutouts of a list', () => {
  it('belong to the tile of their centre, in the order of its rows', async () => {
    const { plan, pinned } = itemsFor();
    const planned = await plan([
      { id: 'a', ra: 9.9, dec: 0.05 },
      { id: 'b', ra: 10.1, dec: 0 },
      { id: 'c', ra: 9.95, dec: -0.05 },
    ]);
    expect(planned.map(({ key, group }) => [key, group])).toEqual([
      ['1', 'small/t1'],
      ['2', 'small/t2'],
      ['3', 'small/t1'],
    ]);
    expect(planned[2]!.at).toBeLessThan(planned[0]!.at!);
    expect(planned[0]!.input).toEqual({
      ...{ row: 1, set: 0, id: 'a', name: 'a.fits', ra: 9.9, dec: 0.05 },
      ...{ tiles: [['t1']], pixels: 100, bytes: 6400 },
    });
    expect(pinned.map(({ tile, planes }) => [tile, planes])).toEqual(
      ['t1', 't2'].map((tile) => [
        tile,
        { image: { uri: `s3://b/${tile}`, etag: 'e', bytes: 1, hdu: 0, verified: false } },
      ]),
    );
  });

  it('over a border are of several tiles and of other groups, unless one tile is asked for', async () => {
    const list = [{ ra: 9.999, dec: 0 }];
    const [mosaic] = await itemsFor().plan(list);
    expect(mosaic).toMatchObject({ group: `${mosaicGroups}small/t1`, input: { tiles: [['t1', 't2']] } });
    const [clip] = await itemsFor({ mode: 'clip' }).plan(list);
    expect(clip).toMatchObject({ group: 'small/t1', input: { tiles: [['t1']] } });
  });

  it('are one for each parameter set, told apart by key and name', async () => {
    const planned = await itemsFor({ sets: [{}, { format: 'png', size: '20px' }] }).plan([
      { id: 'x y', ra: 9.9, dec: 0 },
    ]);
    expect(planned.map(({ key, input: { name, set, pixels } }) => [key, name, set, pixels])).toEqual([
      ['1.1', 'x_y_1.fits', 0, 100],
      ['1.2', 'x_y_2.png', 1, 400],
    ]);
  });

  it('are made once where place and size are the same, and named apart; the same whereever reading goes on', async () => {
    const list = [
      { id: 'a', ra: 9.9, dec: 0 },
      { id: 'A', ra: 9.9, dec: 0 },
      { ra: 9.9, dec: 0, size: '20px' },
      { ra: 9.9, dec: 0, size: '20px' },
      { id: 'b', ra: '9.9', dec: '0.0' },
    ];
    const told = async (from: number) =>
      (await itemsFor().plan(list, from)).map(({ input: { name, repeats } }) => [name, repeats]);
    const all = [
      ['a_1.fits', undefined],
      ['A_2.fits', '1'],
      ['009.900000+00.000000_3.fits', undefined],
      ['009.900000+00.000000_4.fits', '3'],
      ['b.fits', '1'],
    ];
    expect(await told(1)).toEqual(all);
    // They come when those of the tile that they repeat have been made.
    const heights = (await itemsFor().plan(list)).map(({ at }) => at!);
    const [first, again, wide, wideAgain, b] = heights as [number, number, number, number, number];
    expect(Math.min(again, wideAgain, b)).toBeGreaterThan(Math.max(first, wide));
    expect(await told(3)).toEqual(all.slice(2));
    // Sets that come to the same, too.
    const sets = await itemsFor({ sets: [{}, { size: '10px' }] }).plan([{ id: 'a', ra: 9.9, dec: 0 }]);
    expect(sets.map(({ key, input }) => [key, input.repeats])).toEqual([
      ['1.1', undefined],
      ['1.2', '1.1'],
    ]);
  });

  it('fail alone where nothing is there, or they are too large', async () => {
    const planned = await itemsFor().plan([
      { id: 'far', ra: 50, dec: 0 },
      { id: 'wide', ra: 9.9, dec: 0, size: '0.2deg' },
      { id: 'fine', ra: 9.9, dec: 0 },
    ]);
    expect(planned.map(({ problem }) => problem?.code)).toEqual([
      'no_coverage',
      'cutout_too_large',
      undefined,
    ]);
    expect(planned[0]!.problem?.detail).toBe('There is nothing of small at 50, 0.');
    expect(planned[1]!.problem?.detail).toMatch(/^A cutout of 12arcmin is too large: its longer side/);
    expect(planned[0]!.input).toMatchObject({ row: 1, id: 'far', name: 'far.fits', tiles: [] });
  });
});

describe('rows that cannot be read', () => {
  const list = [
    { ra: 9.9, dec: 0 },
    { id: 'bad', ra: 'x', dec: 0 },
    { ra: 9.9, dec: 100 },
  ];

  it('fail the job by the number of the first, and how many they are', async () => {
    await expect(itemsFor().plan(list)).rejects.toMatchObject({
      code: 'invalid_row',
      message: expect.stringMatching(
        /^Row 2: The right ascension "x" is none.*In all 2 rows cannot be read\./,
      ),
    });
  });

  it('are gone on without where that is asked for, and told by what stands in them', async () => {
    const { items, plan } = itemsFor({ onError: 'skip' });
    expect(await plan(list)).toHaveLength(1);
    expect(items.broken(2, list[1])).toEqual({ row: 2, set: 0, id: 'bad', ra: 'x', dec: '0' });
    expect(items.broken(7, undefined)).toEqual({ row: 7, set: 0, id: null, ra: null, dec: null });
  });

  it('because their columns are swapped are told as such, whatever is to become of broken ones', async () => {
    for (const onError of ['fail', 'skip'] as const)
      await expect(
        itemsFor({ onError }).plan([
          { ra: 2, dec: 150 },
          { ra: 3, dec: 200 },
        ]),
      ).rejects.toMatchObject({ code: 'swapped_columns' });
  });
});
