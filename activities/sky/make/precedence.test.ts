import { expect, it } from 'vitest';
import { Precedence } from './precedence.ts';

const { signal } = new AbortController();

it('lets a cutout of a job wait while somebody waits for another, and no longer', async () => {
  const precedence = new Precedence();
  await precedence.makeWay(signal);
  const [one, other] = [precedence.begin(), precedence.begin()];
  let passed = 0;
  const jobs = [1, 2].map(() => precedence.makeWay(signal).then(() => passed++));
  one[Symbol.dispose]();
  // Twice is once.
  one[Symbol.dispose]();
  await Promise.resolve();
  expect(passed).toBe(0);
  other[Symbol.dispose]();
  await Promise.all(jobs);
  expect(passed).toBe(2);
  await precedence.makeWay(signal);
});

it('lets it go on beside a crowd that never ends, and end when it is told to', async () => {
  const precedence = new Precedence();
  using _one = precedence.begin();
  await precedence.makeWay(signal);
  const over = new AbortController();
  const waiting = precedence.makeWay(over.signal);
  over.abort(new Error('cancelled'));
  await expect(waiting).rejects.toThrow('cancelled');
});
