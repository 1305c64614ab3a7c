import { expect, test } from 'vitest';
import { Round } from './round.ts';

const ids = Array.from({ length: 1200 }, (_, index) => ({ id: String(index).padStart(5, '0') }));
const find = async (after: string, limit: number) => ids.filter(({ id }) => id > after).slice(0, limit);
const { signal } = new AbortController();

test('rows that cannot be settled hold up no other, and are tried again in the next round', async () => {
  const round = new Round();
  const tried: string[] = [];
  for (let passes = 0; passes < 6; passes++) {
    const { settled, left } = await round.turn(
      find,
      async ({ id }) => {
        tried.push(id);
        if (id < '01000') throw new Error('not yet');
      },
      signal,
    );
    expect(settled + left.length).toBeLessThanOrEqual(500);
  }
  const once = ids.map(({ id }) => id);
  expect(tried).toEqual([...once, ...once]);
});

test('a pass that is told to stop stops between rows', async () => {
  const stop = new AbortController();
  const tried: string[] = [];
  const turn = new Round().turn(
    find,
    async ({ id }) => {
      tried.push(id);
      stop.abort(new Error('stop'));
    },
    stop.signal,
  );
  await expect(turn).rejects.toThrow('stop');
  expect(tried.length).toBeLessThan(5);
});
