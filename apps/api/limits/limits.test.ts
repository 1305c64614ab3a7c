import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ApiContext } from '../context.ts';
import { createBuckets } from './buckets.ts';
import { createSlots } from './slots.ts';
import { addressOf } from './subject.ts';
import { createTurns } from './turns.ts';

test('in no stretch of time more requests are taken than burst and rate allow, and none is refused that they allow', () => {
  const pauses = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(
      pauses,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 50 }),
      (ms, rate, burst) => {
        let clock = 0;
        const take = createBuckets({ perSecond: rate, burst, subjects: 10, now: () => clock });
        const taken: number[] = [];
        for (const pause of ms) {
          clock += pause;
          const { allowed, retryAfterSeconds, remaining } = take('somebody');
          expect(remaining).toBeLessThanOrEqual(burst);
          if (allowed) taken.push(clock);
          else expect(retryAfterSeconds).toBeGreaterThan(0);
        }
        taken.forEach((from, i) => {
          for (let j = i; j < taken.length; j++)
            expect(j - i + 1).toBeLessThanOrEqual(burst + ((taken[j]! - from) / 1000) * rate + 1e-6);
        });
        clock += 1000 * take('somebody').retryAfterSeconds;
        expect(take('somebody').allowed).toBe(true);
      },
    ),
  );
});

test('buckets are of one subject each, and no more are kept than said', () => {
  const take = createBuckets({ perSecond: 1, burst: 1, subjects: 2, now: () => 0 });
  expect(['a', 'b', 'a', 'b'].map((who) => take(who).allowed)).toEqual([true, true, false, false]);
  take('c');
  // The one that asked longest ago was forgotten.
  expect(['b', 'c', 'a'].map((who) => take(who).allowed)).toEqual([false, false, true]);
});

test('slots are given back once', () => {
  const take = createSlots(2);
  const first = take('a');
  expect([first, take('a'), take('a'), take('b')].map((slot) => slot !== undefined)).toEqual([
    true,
    true,
    false,
    true,
  ]);
  first?.();
  first?.();
  expect([take('a'), take('a')].map((slot) => slot !== undefined)).toEqual([true, false]);
});

test('turns are taken in order, no more at once than said, and whoever leaves the line holds up nobody', async () => {
  const take = createTurns(2);
  const never = new AbortController().signal;
  const leaving = new AbortController();
  const got: string[] = [];
  const ends = new Map<string, () => void>();
  const ask = (name: string, signal = never) =>
    take('a', () => signal).then(
      (end) => {
        got.push(name);
        ends.set(name, end);
      },
      () => got.push(`${name} left`),
    );
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  for (const name of ['1', '2', '3']) void ask(name);
  void ask('4', leaving.signal);
  void ask('5');
  const other = await take('b', () => never);
  await settled();
  expect(got).toEqual(['1', '2']);
  leaving.abort();
  ends.get('2')?.();
  await settled();
  ends.get('1')?.();
  await settled();
  expect(got).toEqual(['1', '2', '4 left', '3', '5']);
  for (const name of ['3', '5']) ends.get(name)?.();
  other();
  await ask('6');
  expect(got.at(-1)).toBe('6');
});

test('an address is what the trusted proxies saw, and what a client writes in front of it counts for nothing', () => {
  const of = (remoteAddress: string, proxies: number, forwarded?: string) =>
    addressOf(
      {
        env: { incoming: { socket: { remoteAddress } } },
        req: { header: () => forwarded },
      } as unknown as ApiContext,
      proxies,
    );
  expect(of('10.0.0.1', 0, '1.2.3.4')).toBe('address 10.0.0.1');
  expect(of('10.0.0.1', 1, '6.6.6.6, 1.2.3.4')).toBe('address 1.2.3.4');
  expect(of('10.0.0.1', 1)).toBe('address 10.0.0.1');
  expect(of('10.0.0.1', 2, '1.2.3.4, 10.0.0.2')).toBe('address 1.2.3.4');
  expect(of('::ffff:10.0.0.1', 0)).toBe('address 10.0.0.1');
  expect(of('2001:db8::1', 0)).toBe(of('2001:db8:0:0:ffff::2', 0));
  expect(of('2001:db8:0:1::1', 0)).not.toBe(of('2001:db8::1', 0));
});
