import { expect, it } from 'vitest';
import { Lanes } from './lanes.ts';

const tick = () => new Promise((resolve) => setImmediate(resolve));

it('lets so many in at once, in order, and none is lost when work fails', async () => {
  const lanes = new Lanes(2);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  const work = (n: number) =>
    lanes.run(async () => {
      order.push(n);
      most = Math.max(most, ++inside);
      await tick();
      inside--;
      if (n === 1) throw new Error('failed');
      return n;
    });
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map(work));
  expect(results.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'fulfilled',
  ]);
  expect(order).toEqual([0, 1, 2, 3, 4]);
  expect(most).toBe(2);
});

it('frees the place of one that gave up waiting', async () => {
  const lanes = new Lanes(1);
  const { promise, resolve } = Promise.withResolvers<string>();
  const first = lanes.run(() => promise);
  const abort = new AbortController();
  const second = lanes.run(async () => 'second', abort.signal);
  const third = lanes.run(async () => 'third');
  abort.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  resolve('first');
  expect(await Promise.all([first, third])).toEqual(['first', 'third']);
});
