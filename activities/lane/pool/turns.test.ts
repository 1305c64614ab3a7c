import { expect, it } from 'vitest';
import { Turns } from './turns.ts';

/** Owners at places whose items take so many milliseconds of a clock that only goes on when nobody can begin; when each item ended. */
function house(count: number) {
  let now = 0;
  const turns = new Turns({ beside: count }, () => now);
  const ends: { owner: string; at: number }[] = [];
  const open: { until: number; end: () => void }[] = [];
  /** Items of `owner`, `hands` at a time. */
  const work = (owner: string, items: number, ms: number, hands: number): Promise<unknown> => {
    let left = items;
    const hand = async (): Promise<void> => {
      while (left-- > 0) {
        await turns.run('beside', owner, () => {
          const { promise, resolve } = Promise.withResolvers<void>();
          open.push({ until: now + ms, end: resolve });
          return promise;
        });
        ends.push({ owner, at: now });
      }
    };
    return Promise.all(Array.from({ length: hands }, hand));
  };
  /** Lets the clock go on until all have ended. */
  const through = async (): Promise<void> => {
    for (;;) {
      for (let n = 0; n < 20; n++) await Promise.resolve();
      open.sort((a, b) => a.until - b.until);
      const next = open.shift();
      if (next === undefined) return;
      now = next.until;
      next.end();
    }
  };
  return { turns, work, through, lastOf: (owner: string) => ends.findLast((end) => end.owner === owner)?.at };
}

it('are in order of arrival for one alone', async () => {
  const { turns } = house(1);
  const order: number[] = [];
  await Promise.all(
    [1, 2, 3].map((n) =>
      turns.run('beside', 'a', async () => {
        order.push(n);
      }),
    ),
  );
  expect(order).toEqual([1, 2, 3]);
});

it('one whose items take long keeps nobody out whose items take little', async () => {
  const { work, through, lastOf } = house(3);
  void work('long', 40, 5000, 9);
  void work('short', 200, 50, 9);
  await through();
  // Alone it would take 200 × 50 / 3 = 3.3 s; with a place as often as one of the long ones ends, 300 s.
  expect(lastOf('short')).toBeLessThan(5000 + 2 * 3400);
  expect(lastOf('long')).toBeLessThan((40 * 5000) / 3 + 15_000);
});

it('those whose items are alike have as much', async () => {
  const { work, through, lastOf } = house(3);
  void work('a', 100, 30, 9);
  void work('b', 100, 30, 9);
  await through();
  expect(Math.abs((lastOf('a') ?? 0) - (lastOf('b') ?? 0))).toBeLessThan(100);
});

it('time that was used while nobody else was there is held against nobody', async () => {
  let now = 0;
  const turns = new Turns({ beside: 1 }, () => now);
  const order: string[] = [];
  const item = (owner: string) =>
    turns.run('beside', owner, async () => {
      order.push(owner);
      now += 10;
    });
  const others: Promise<void>[] = [];
  await turns.run('beside', 'a', async () => {
    now = 60_000;
    others.push(...['a', 'a', 'a', 'b', 'b', 'b'].map(item));
  });
  await Promise.all(others);
  expect(order.join('')).toBe('ababab');
});

it('time at places of another sort counts as well', async () => {
  let now = 0;
  const turns = new Turns({ beside: 1, alone: 1 }, () => now);
  const order: string[] = [];
  const [held, aside] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const item = (owner: string) => turns.run('beside', owner, async () => void order.push(owner));
  const alone = turns.run('alone', 'a', () => aside.promise);
  const all = [turns.run('beside', 'c', () => held.promise), item('a'), item('b')];
  now = 100;
  held.resolve();
  await Promise.all(all);
  expect(order).toEqual(['b', 'a']);
  aside.resolve();
  await alone;
});

it('whoever gives up waits no more, and takes no place', async () => {
  const { turns } = house(1);
  const held = Promise.withResolvers<void>();
  const first = turns.run('beside', 'a', () => held.promise);
  const calling = new AbortController();
  const waiting = turns.run('beside', 'b', async () => 'never', calling.signal);
  expect(turns.queued('beside')).toBe(1);
  calling.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  expect(turns.queued('beside')).toBe(0);
  held.resolve();
  await first;
  expect(await turns.run('beside', 'b', async () => 'now')).toBe('now');
  await expect(turns.run('beside', 'b', async () => 'never', calling.signal)).rejects.toThrow('enough');
});
