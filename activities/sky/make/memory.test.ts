import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { CutoutMemory, drawingBytes, largestOf, planMemory } from './memory.ts';

const { signal } = new AbortController();

/** Asks for so many, and tells whether they were given. */
function ask(memory: CutoutMemory, bytes: number, until = signal) {
  const asked = { given: undefined as Disposable | undefined, error: undefined as unknown };
  memory.take(bytes, until).then(
    (given) => Object.assign(asked, { given }),
    (error: unknown) => Object.assign(asked, { error }),
  );
  return asked;
}

it('large ones take no more together than their part, each in its turn; small ones do not wait for them', async () => {
  const memory = new CutoutMemory(800);
  const [first, second, third] = [ask(memory, 400), ask(memory, 300), ask(memory, 200)];
  const small = ask(memory, 100);
  await setImmediate();
  expect(first.given).toBeDefined();
  // The third would fit, but the second was there before it.
  expect([second.given, third.given]).toEqual([undefined, undefined]);
  expect(small.given).toBeDefined();
  expect(memory.free).toBe(300);
  first.given?.[Symbol.dispose]();
  first.given?.[Symbol.dispose]();
  await setImmediate();
  expect([second.given, third.given]).not.toContain(undefined);
  for (const { given } of [second, third, small]) given?.[Symbol.dispose]();
  expect(memory.free).toBe(800);
});

it('whoever leaves the line lets those behind it pass; what is more than one may have is given all of that', async () => {
  const memory = new CutoutMemory(800);
  const leaving = new AbortController();
  const first = ask(memory, 400);
  const [second, third] = [ask(memory, 10_000, leaving.signal), ask(memory, 200)];
  await setImmediate();
  expect(third.given).toBeUndefined();
  leaving.abort(new Error('gone'));
  await setImmediate();
  expect(second.error).toMatchObject({ message: 'gone' });
  expect(third.given).toBeDefined();
  third.given?.[Symbol.dispose]();
  first.given?.[Symbol.dispose]();
  const all = await memory.take(10_000, signal);
  expect(memory.free).toBe(200);
  all[Symbol.dispose]();
  await expect(memory.take(1, leaving.signal)).rejects.toThrow('gone');
});

it('what a cutout takes is bounded, however large it is', () => {
  const memory = 2 ** 30;
  const of = (side: number, isMosaic = false) =>
    planMemory({ pixels: side * side, bands: 3, planes: 1, isMosaic }, memory);
  expect(of(228)).toMatchObject({ isSmall: true, memoryBytes: 32 * 228 ** 2 });
  expect(of(228, true).bytes).toBeLessThan(memory / 8);
  expect(of(10_000)).toMatchObject({ isSmall: false });
  expect(of(10_000).bytes).toBe(of(200_000, true).bytes);
  // A colour picture of 4,000 pixels a side is drawn beside what its bands are read with.
  expect(
    of(4000, true).bytes + drawingBytes({ width: 4000, height: 4000 }, 3, { maxPixels: null, depth: 8 }),
  ).toBeLessThan(largestOf(memory));
});
