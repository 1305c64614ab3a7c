import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairQueue, type Queued } from './fair-queue.ts';

const entry = (owner: string, bytes = 1, priority = 3, since = 0): Queued => ({
  owner,
  bytes,
  priority,
  since,
});

it('lets owners take turns, however much one of them has', () => {
  const queue = new FairQueue<Queued>();
  for (let i = 0; i < 100; i++) queue.add(entry('busy'));
  queue.add(entry('ada'));
  queue.add(entry('ada'));
  queue.add(entry('bob'));
  expect(queue.take(5, 100).map(({ owner }) => owner)).toEqual(['busy', 'ada', 'bob', 'busy', 'ada']);
  expect(queue.items).toBe(98);
});

it('takes those of a better priority first', () => {
  const queue = new FairQueue<Queued>();
  queue.add(entry('slow', 1, 5));
  queue.add(entry('usual'));
  queue.add(entry('first', 1, 1));
  expect(queue.take(3, 100).map(({ owner }) => owner)).toEqual(['first', 'usual', 'slow']);
});

it('leaves each priority its share beside a flood of a better one, and no more of it after a rest', () => {
  const queue = new FairQueue<Queued>();
  const flood = (count: number, priority: number) => {
    for (let i = 0; i < count; i++) queue.add(entry(`owner ${i % 7}`, 1, priority));
  };
  const taken = (count: number) => Map.groupBy(queue.take(count, 1000), ({ priority }) => priority);
  flood(200, 1);
  expect(taken(50).get(1)).toHaveLength(50);
  flood(100, 3);
  expect(queue.ahead({ owner: 'new', priority: 3 })).toBe(7 + 8 * 4);
  const both = taken(50);
  expect([both.get(1)?.length, both.get(3)?.length]).toEqual([40, 10]);
});

it('leaves each priority its share of the places', () => {
  const queue = new FairQueue<Queued>();
  for (let i = 0; i < 15; i++) queue.add(entry(`usual ${i % 2}`, 1, 3, i));
  for (
    let first = queue.makesWay(entry('first', 1, 1));
    first;
    first = queue.makesWay(entry('first', 1, 1))
  ) {
    expect(first.priority).toBe(3);
    queue.remove(first);
    queue.add(entry('first', 1, 1));
  }
  expect(queue.take(99, 99).filter(({ priority }) => priority === 3)).toHaveLength(3);
});

it('takes one that is larger than a batch alone, and nothing over the bytes otherwise', () => {
  const queue = new FairQueue<Queued>();
  for (const bytes of [50, 5, 4, 3]) queue.add(entry('ada', bytes));
  expect(queue.take(9, 10).map(({ bytes }) => bytes)).toEqual([50]);
  expect(queue.take(9, 10).map(({ bytes }) => bytes)).toEqual([5, 4]);
  expect(queue.take(9, 10).map(({ bytes }) => bytes)).toEqual([3]);
  expect(queue.take(9, 10)).toEqual([]);
});

it('loses nothing and gives nothing twice, and counts what it has', () => {
  const command = fc.oneof(
    fc.record({
      do: fc.constant('add' as const),
      owner: fc.constantFrom('a', 'b', 'c'),
      bytes: fc.nat(9),
      priority: fc.integer({ min: 1, max: 5 }),
    }),
    fc.record({ do: fc.constant('take' as const), items: fc.integer({ min: 1, max: 4 }), bytes: fc.nat(20) }),
    fc.record({ do: fc.constant('remove' as const), nth: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const queue = new FairQueue<Queued>();
      const there = new Set<Queued>();
      let clock = 0;
      for (const one of commands) {
        if (one.do === 'add') {
          const added = entry(one.owner, one.bytes, one.priority, clock++);
          queue.add(added);
          there.add(added);
        } else if (one.do === 'take') {
          const taken = queue.take(one.items, one.bytes);
          expect(taken.length).toBeLessThanOrEqual(one.items);
          if (taken.length > 1) expect(bytesOf(taken)).toBeLessThanOrEqual(one.bytes);
          if (there.size > 0) expect(taken.length).toBeGreaterThan(0);
          for (const each of taken) expect(there.delete(each)).toBe(true);
        } else {
          const some = [...there][one.nth];
          if (some === undefined) continue;
          expect(queue.remove(some)).toBe(true);
          expect(queue.remove(some)).toBe(false);
          there.delete(some);
        }
        expect([queue.items, queue.bytes]).toEqual([there.size, bytesOf([...there])]);
        expect(queue.oldest).toBe(Math.min(...[...there].map(({ since }) => since)));
      }
    }),
  );
});

const bytesOf = (entries: readonly Queued[]): number => entries.reduce((sum, { bytes }) => sum + bytes, 0);
