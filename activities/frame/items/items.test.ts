import type { ItemRow } from '@darkroom/records';
import { describe, expect, it } from 'vitest';
import { ClaimsAhead, claimSize } from './claims.ts';
import { Collector } from './collector.ts';

const row = (ordinal: number, deaths = 0) => ({ ordinal, deaths }) as ItemRow;

describe('claims ahead', () => {
  const claimsOf = (rows: readonly ItemRow[], size: () => number) => {
    const made: number[][] = [];
    const claims = new ClaimsAhead(
      (async function* () {
        yield* rows;
      })(),
      {
        claim: async (items) => {
          made.push(items.map(({ ordinal }) => ordinal));
          // One that somebody else has ended.
          return items.filter(({ ordinal }) => ordinal !== 4);
        },
        mayHarm: ({ deaths }) => deaths > 0,
        size,
      },
    );
    return { claims, made };
  };
  const all = async (claims: ClaimsAhead): Promise<[number, boolean][]> => {
    const taken: [number, boolean][] = [];
    for (let next = await claims.next(); next !== undefined; next = await claims.next())
      taken.push([next.item.ordinal, next.claimed]);
    return taken;
  };

  it('come many at a time, in order; one that may harm stands alone, unclaimed', async () => {
    const { claims, made } = claimsOf(
      [1, 2, 3, 4, 5, 6, 7, 8].map((n) => row(n, Number(n === 6))),
      () => 4,
    );
    expect(await all(claims)).toEqual([
      [1, true],
      [2, true],
      [3, true],
      [5, true],
      [6, false],
      [7, true],
      [8, true],
    ]);
    expect(made).toEqual([[1, 2, 3, 4], [5], [7, 8]]);
  });

  it('hold an error for the one who asks for the item', async () => {
    let claimed = 0;
    const claims = new ClaimsAhead(
      (async function* () {
        yield* [1, 2, 3].map((n) => row(n));
      })(),
      {
        claim: async (items) => {
          if (++claimed > 1) throw new Error('lost');
          return [...items];
        },
        mayHarm: () => false,
        size: () => 2,
      },
    );
    expect((await claims.next())?.item.ordinal).toBe(1);
    expect((await claims.next())?.item.ordinal).toBe(2);
    await claims.settle();
    await expect(claims.next()).rejects.toThrow('lost');
    await expect(claims.next()).rejects.toThrow('lost');
  });

  it('are as many as take a moment', () => {
    expect([0.01, 1, 10, 50, 400, 60_000].map(claimSize)).toEqual([64, 64, 10, 2, 1, 1]);
  });
});

describe('a collector', () => {
  it('hands over what came in while it was at it, at once', async () => {
    const batches: number[][] = [];
    const gates: (() => void)[] = [];
    const collector = new Collector<number, number>(
      async (values) => {
        batches.push([...values]);
        await new Promise<void>((resolve) => gates.push(resolve));
        return values.map((value) => value * 10);
      },
      { most: 3, concernsAll: () => true },
    );
    const first = collector.add(1);
    await expect.poll(() => batches.length).toBe(1);
    const rest = [2, 3, 4, 5].map((value) => collector.add(value));
    gates.shift()?.();
    expect(await first).toBe(10);
    await expect.poll(() => batches.length).toBe(2);
    gates.shift()?.();
    await expect.poll(() => batches.length).toBe(3);
    gates.shift()?.();
    expect(await Promise.all(rest)).toEqual([20, 30, 40, 50]);
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('finds out whose error it was, unless it is of all', async () => {
    const collectorOf = (concernsAll: boolean) =>
      new Collector<number, number>(
        async (values) => {
          if (values.includes(2)) throw new Error('two');
          return values;
        },
        { most: 10, concernsAll: () => concernsAll },
      );
    const settled = async (concernsAll: boolean) => {
      const collector = collectorOf(concernsAll);
      const ends = await Promise.allSettled([1, 2, 3].map((value) => collector.add(value)));
      return ends.map(({ status }) => status);
    };
    expect(await settled(false)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await settled(true)).toEqual(['rejected', 'rejected', 'rejected']);
  });
});
