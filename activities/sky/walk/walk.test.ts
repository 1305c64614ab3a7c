/** Walks come to what each cutout comes to alone, whatever is read together. */
import type { CutoutRequest, PlaneKind } from '@darkroom/contract';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CutoutCall } from '../make/call.ts';
import { makeFileOver } from '../make/made.ts';
import { type MemoryStore, memoryStore } from '../survey/testing.ts';
import {
  allLayouts,
  callOf,
  type Layout,
  outcomeOf,
  picture,
  placeAt,
  request,
  side,
  sourcesOf,
  tileFile,
} from './testing.ts';
import { TileWalk, type WalkDeps } from './walk.ts';

const { signal } = new AbortController();

const uriOf = (name: string): string => `s3://bucket/small/${name}.fits`;
const files = Object.fromEntries(
  allLayouts.flatMap((layout) => [
    [uriOf(`${layout}-r`), tileFile({ layout, band: 'r' })],
    // Of integers, on the grid of r, some pixels apart; and on a grid that is turned.
    [uriOf(`${layout}-g`), tileFile({ layout, band: 'g', integers: true, moved: 3 })],
    [uriOf(`${layout}-i`), tileFile({ layout, band: 'i', turned: 0.1 })],
  ]),
);

/** A store that counts the bytes that are read. */
function storeOf(objects: Record<string, Uint8Array> = files) {
  const store = {
    ...memoryStore(objects),
    bytes: 0,
    // Without a look at what it was: none of these changes.
    get: async (uri: string, { range: { start, length } }: Parameters<MemoryStore['get']>[1]) => {
      store.bytes += length;
      return { stream: one(store.objects.get(uri)?.slice(start, start + length)) };
    },
  };
  return store;
}

async function* one(bytes: Uint8Array | undefined): AsyncGenerator<Uint8Array> {
  if (bytes !== undefined) yield bytes;
}

const depsOf = (store: MemoryStore, aheadBytes = 2 ** 22): WalkDeps => ({
  storage: store as unknown as WalkDeps['storage'],
  records: { db: undefined } as never,
  config: { cutouts: { cacheBytes: 2 ** 22, memoryBytes: 2 ** 28, aheadBytes } as never },
});

/** All of them, `width` side by side, begun in their order. */
async function each<T>(calls: readonly CutoutCall[], width: number, one: (call: CutoutCall) => Promise<T>) {
  const outcomes: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < calls.length) {
      const at = next++;
      outcomes[at] = await one(calls[at]!);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return outcomes;
}

const alone = (calls: readonly CutoutCall[], store: MemoryStore) => {
  const make = makeFileOver(depsOf(store));
  return each(calls, 4, (call) => outcomeOf(make, call, signal));
};

async function walked(
  calls: readonly CutoutCall[],
  store: MemoryStore,
  { listed = calls, aheadBytes = 2 ** 22 }: { listed?: readonly CutoutCall[]; aheadBytes?: number } = {},
) {
  await using walk = new TileWalk(depsOf(store, aheadBytes)).walk(listed, signal);
  const outcomes = await each(calls, 8, async (call) => {
    const outcome = await outcomeOf(walk.make, call, signal);
    expect(walk.heldBytes).toBeLessThanOrEqual(aheadBytes);
    return outcome;
  });
  await walk.close();
  expect(walk.heldBytes).toBe(0);
  return outcomes;
}

interface Asked {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly bands: CutoutRequest['bands'];
  readonly planes: readonly PlaneKind[];
  readonly mode: CutoutRequest['mode'];
  readonly compress: CutoutRequest['compress'];
  readonly drawn: false | 'lupton' | 'zscale';
  readonly maxPixels: number | null;
  readonly turned: boolean;
}

const inOrder = (calls: readonly Asked[]) => calls.toSorted((a, b) => a.y - b.y);

function callFor(layout: Layout, store: MemoryStore, asked: Asked): CutoutCall {
  const { x, y, width, height, bands, planes, mode, compress, drawn, maxPixels, turned } = asked;
  const given = bands.flatMap((band) =>
    sourcesOf(store, uriOf(`${layout}-${band}`), { tile: 't1', band, planes: ['image', 'weight', 'mask'] }),
  );
  return callOf(given, {
    ...placeAt(x, y),
    size: { width: { value: width, unit: 'px' }, height: { value: height, unit: 'px' } },
    ...{ bands, mode, planes: [...planes], compress },
    ...(drawn && {
      ...{ format: drawn === 'zscale' ? ('jpeg' as const) : ('png' as const), compress: 'none' as const },
      ...{ planes: ['image'], picture: { ...picture, algorithm: drawn, maxPixels } },
    }),
    ...(turned && { grid: { pixelScale: null, rotation: 30 } }),
  });
}

const asked: fc.Arbitrary<Asked> = fc.record({
  x: fc.integer({ min: -20, max: side + 20 }),
  y: fc.integer({ min: -20, max: side + 20 }),
  width: fc.integer({ min: 1, max: 60 }),
  height: fc.integer({ min: 1, max: 60 }),
  bands: fc.subarray(['r', 'g', 'i'], { minLength: 1 }),
  planes: fc.subarray<PlaneKind>(['image', 'weight', 'mask'], { minLength: 1 }),
  mode: fc.constantFrom('primary', 'clip', 'mosaic'),
  compress: fc.constantFrom('none', 'rice'),
  drawn: fc.oneof({ weight: 3, arbitrary: fc.constant(false as const) }, fc.constantFrom('lupton', 'zscale')),
  maxPixels: fc.constantFrom(null, 16),
  turned: fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, fc.constant(true)),
});

describe.each(allLayouts)('cutouts of a tile of %s', (layout) => {
  it('are the same to the last bit as each of them alone: all kinds, over edges and beyond them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(asked, { minLength: 1, maxLength: 20 }),
        fc.constantFrom(2 ** 22, 2 ** 16, 2 ** 12),
        async (some, aheadBytes) => {
          const store = storeOf();
          const calls = inOrder(some).map((one) => callFor(layout, store, one));
          expect(await walked(calls, store, { aheadBytes })).toEqual(await alone(calls, store));
        },
      ),
      { numRuns: 8 },
    );
  });

  it('read each byte of it about once', async () => {
    const store = storeOf();
    const calls = Array.from({ length: 100 }, (_, i) => ({ x: (i * 37) % side, y: 4 * i })).map((at) =>
      callOf(sourcesOf(store, uriOf(`${layout}-r`), { tile: 't1', band: 'r', planes: ['image'] }), {
        ...placeAt(at.x, at.y),
      }),
    );
    const outcomes = await walked(calls, store);
    const together = store.bytes;
    store.bytes = 0;
    expect(outcomes).toEqual(await alone(calls, store));
    expect(together).toBeLessThan(0.3 * store.bytes);
  });
});

/** A walk up the tile. */
const upwards = (store: MemoryStore, count: number, changes: Partial<CutoutRequest> = {}): CutoutCall[] =>
  Array.from({ length: count }, (_, i) =>
    callOf(sourcesOf(store, uriOf('rows-r'), { tile: 't1', band: 'r', planes: ['image', 'mask'] }), {
      ...placeAt(30 + ((i * 53) % (side - 60)), 30 + (i * (side - 60)) / count),
      ...changes,
    }),
  );

it('what is asked for out of turn, unlisted, twice, or not at all is made as well', async () => {
  const store = storeOf();
  const calls = upwards(store, 400, {
    size: { width: { value: 9, unit: 'px' }, height: { value: 9, unit: 'px' } },
  });
  const wanted = await alone(calls, store);
  const shuffled = calls.map((_, i) => (i * 7) % calls.length);
  const ways: [readonly CutoutCall[], readonly number[]][] = [
    [calls, shuffled],
    [[], [1, 2, 3]],
    [calls.slice(0, 50), calls.map((_, i) => i)],
    [calls, [0, 0, 0, 1, 1, 399, 398, 5]],
    [calls, calls.map((_, i) => i).filter((i) => i % 100 === 99)],
    [[...calls, ...calls].sort(), calls.map((_, i) => i)],
  ];
  for (const [listed, order] of ways) {
    const some = order.map((i) => calls[i]!);
    const outcomes = await walked(some, store, { listed, aheadBytes: 2 ** 14 });
    expect(outcomes).toEqual(order.map((i) => wanted[i]));
  }
});

it('those that are listed and never asked for stop nothing', async () => {
  const store = storeOf();
  const calls = upwards(store, 400);
  const some = calls.slice(300);
  await using walk = new TileWalk(depsOf(store, 2 ** 20)).walk(calls, signal);
  await each(some, 8, (call) => outcomeOf(walk.make, call, signal));
  const together = store.bytes;
  store.bytes = 0;
  await alone(some, store);
  expect(together).toBeLessThan(store.bytes / 2);
});

it('damage fails those that touch it, by the name of the tile, and no other', async () => {
  const uri = uriOf('rows-r');
  const bytes = files[uri]!.slice();
  // Within the rows of the image, the first of three.
  bytes.fill(0xff, Math.floor(bytes.length / 6), Math.floor(bytes.length / 6) + 300);
  const store = storeOf({ [uri]: bytes });
  const good = storeOf();
  const outcomes = await walked(upwards(store, 100), store);
  expect(outcomes).toEqual(await alone(upwards(store, 100), store));
  const failed = outcomes.filter((outcome) => 'code' in outcome && outcome.code !== 'no_coverage');
  expect(failed.length).toBeGreaterThan(2);
  expect(failed.length).toBeLessThan(50);
  for (const outcome of failed) {
    expect(outcome).toMatchObject({ code: 'corrupt_tile', message: expect.stringContaining(uri) });
    expect(outcome).toMatchObject({ message: expect.stringMatching(/^Tile \d+ of /) });
  }
  const right = await alone(upwards(good, 100), good);
  for (const [i, outcome] of outcomes.entries())
    if (!failed.includes(outcome)) expect(outcome).toEqual(right[i]);
});

describe('a store that is silent', () => {
  /** From the read of that number on. */
  function silentFrom(number: number) {
    const store = storeOf();
    const { get } = store;
    const open = new Set<string>();
    let reads = 0;
    const silent: typeof get = async (uri, options) => {
      if (++reads < number) return get(uri, options);
      const { signal: ends } = options as { signal?: AbortSignal };
      const id = `${reads}`;
      open.add(id);
      return new Promise((_, reject) =>
        ends?.addEventListener('abort', () => {
          open.delete(id);
          reject(ends.reason);
        }),
      );
    };
    return { store: { ...store, get: silent }, open };
  }

  it.each([1, 3])('ends with the signal, and nothing is held (from read %i on)', async (number) => {
    const { store, open } = silentFrom(number);
    const calls = upwards(store, 20);
    const page = new AbortController();
    const walk = new TileWalk(depsOf(store)).walk(calls, page.signal);
    const made = calls.slice(0, 8).map((call) => outcomeOf(walk.make, call, page.signal));
    await expect.poll(() => open.size).toBeGreaterThan(0);
    page.abort(new Error('enough'));
    expect(await Promise.all(made)).toEqual(made.map(() => ({ code: undefined, message: 'enough' })));
    await walk.close();
    expect(open.size).toBe(0);
    expect(walk.heldBytes).toBe(0);
  });

  it('one cutout that is given up leaves the others their pixels', async () => {
    const { store } = silentFrom(4);
    const calls = upwards(store, 20);
    const one = new AbortController();
    await using walk = new TileWalk(depsOf(store)).walk(calls, signal);
    const made = outcomeOf(walk.make, calls[0]!, one.signal);
    one.abort(new Error('gone'));
    expect(await made).toEqual({ code: undefined, message: 'gone' });
  });
});

it('a list that cannot be read is told', async () => {
  const store = storeOf();
  const calls = upwards(store, 3);
  async function* broken() {
    yield calls[0]!;
    throw new Error('no list');
  }
  await using walk = new TileWalk(depsOf(store)).walk(broken(), signal);
  expect(await outcomeOf(walk.make, calls[0]!, signal)).toMatchObject({ facts: { tiles: ['t1'] } });
  expect(await outcomeOf(walk.make, calls[1]!, signal)).toEqual({ code: undefined, message: 'no list' });
});

it('of a page of large cutouts nothing is read ahead', async () => {
  const store = storeOf();
  const side = { value: 300, unit: 'px' } as const;
  const calls = upwards(store, 3, { size: { width: side, height: side } });
  const deps = depsOf(store);
  const small = { ...deps, config: { cutouts: { ...deps.config.cutouts, memoryBytes: 2 ** 25 } } };
  await using walk = new TileWalk(small).walk(calls, signal);
  const outcomes = await each(calls, 2, async (call) => {
    const outcome = await outcomeOf(walk.make, call, signal);
    expect(walk.heldBytes).toBe(0);
    return outcome;
  });
  expect(outcomes).toEqual(await alone(calls, store));
  expect(request.size.width.value).toBeLessThan(side.value);
});
