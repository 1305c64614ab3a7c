import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Gatherer, type GatherOptions } from './gatherer.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A gatherer of names, with the batches that it has sent and what ends each of them. */
function gathering(options: Partial<GatherOptions<string>> = {}) {
  const sent: string[][] = [];
  const dropped: string[] = [];
  const ends: ((done: number) => void)[] = [];
  const gatherer = new Gatherer<string>({
    batch: { items: 4, bytes: 100, waitMs: 10, mostMs: 5000 },
    queue: { items: 20, bytes: 1000 },
    underWay: () => 2,
    now: Date.now,
    send: (batch) => {
      sent.push([...batch]);
      return new Promise((resolve) => ends.push(resolve));
    },
    drop: (work, why) => dropped.push(`${work} ${why}`),
    ...options,
  });
  const add = (work: string, { owner = 'ada', bytes = 1, forMs = 2000, priority = 3 } = {}) =>
    gatherer.add({ owner, priority, bytes, until: Date.now() + forMs, work });
  const settle = () => vi.advanceTimersByTimeAsync(0);
  /** `done`: how many of it were worked on; all. */
  const end = async (nth: number, done = sent[nth]?.length ?? 0) => {
    ends[nth]?.(done);
    await settle();
  };
  return { gatherer, sent, dropped, add, end, settle };
}

it('sends at once what nothing is under way before', async () => {
  const { sent, add, settle } = gathering();
  add('a');
  await settle();
  expect(sent).toEqual([['a']]);
});

it('gathers beside what is under way, for as long as the first one may wait', async () => {
  const { sent, add } = gathering();
  add('a');
  add('b');
  await vi.advanceTimersByTimeAsync(6);
  add('c');
  await vi.advanceTimersByTimeAsync(3);
  expect(sent).toEqual([['a']]);
  await vi.advanceTimersByTimeAsync(1);
  expect(sent).toEqual([['a'], ['b', 'c']]);
});

it('waits no longer where batches end beside it all the time and there was a place', async () => {
  const { sent, add, end } = gathering({ underWay: () => 6 });
  add('a');
  add('b');
  await vi.advanceTimersByTimeAsync(10);
  add('c');
  await vi.advanceTimersByTimeAsync(9);
  await end(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(sent).toEqual([['a'], ['b'], ['c']]);
});

it('sends what is enough for a batch, by items and by bytes, without a wait', async () => {
  const { sent, add, settle } = gathering({ underWay: () => 6 });
  add('a');
  for (const work of ['b', 'c', 'd', 'e']) add(work);
  await settle();
  expect(sent).toEqual([['a'], ['b', 'c', 'd', 'e']]);
  add('f', { bytes: 60 });
  add('g', { bytes: 60 });
  await settle();
  expect(sent[2]).toEqual(['f']);
});

it('has so many under way and no more, and sends the next as one ends', async () => {
  const { sent, add, end, settle } = gathering({ underWay: () => 1 });
  for (const work of ['a', 'b', 'c', 'd', 'e', 'f']) add(work);
  await vi.advanceTimersByTimeAsync(1000);
  expect(sent).toEqual([['a']]);
  await end(0);
  expect(sent).toEqual([['a'], ['b', 'c', 'd', 'e']]);
  await end(1);
  expect(sent[2]).toEqual(['f']);
  await settle();
});

it.each([
  [64, [16, 16, 16, 16]],
  [16, [8, 8]],
  [6, [5, 1]],
])('has %i who ask again when they are answered in batches of like sizes: %j', async (clients, sizes) => {
  const { sent, add, end } = gathering({
    underWay: () => 4,
    batch: { items: 32, bytes: 1000, waitMs: 10, mostMs: 60_000 },
    queue: { items: 100, bytes: 1000 },
  });
  for (let i = 0; i < clients; i++) add(`${i}`, { forMs: 1e6 });
  await vi.advanceTimersByTimeAsync(10);
  expect(sent[0]).toHaveLength(1);
  const ended = new Set<number>();
  const open = () => [...sent.keys().filter((nth) => !ended.has(nth))];
  const sizeOf = (nth: number) => sent[nth]?.length ?? 0;
  // Each batch takes as long as it is large.
  for (let turn = 0; turn < 40; turn++) {
    const [nth = 0] = open().toSorted((a, b) => sizeOf(a) - sizeOf(b));
    ended.add(nth);
    await end(nth);
    for (const work of sent[nth] ?? []) add(work, { forMs: 1e6 });
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(
    open()
      .map(sizeOf)
      .toSorted((a, b) => b - a),
  ).toEqual(sizes);
});

it('goes on after a batch whose sending threw', async () => {
  const sent: string[] = [];
  const { add, settle, gatherer } = gathering({
    underWay: () => 1,
    send: async ([work = '']) => {
      sent.push(work);
      if (work === 'bad') throw new Error('no');
      return 1;
    },
  });
  add('bad');
  add('good');
  await settle();
  await settle();
  expect(sent).toEqual(['bad', 'good']);
  expect(gatherer.load).toEqual({ waiting: 0, bytes: 0, batches: 0, items: 0 });
});

it('takes back what waits, and not what was sent', async () => {
  const { sent, add, gatherer, end } = gathering({ underWay: () => 1 });
  const first = add('a');
  const second = add('b');
  expect(second()).toBe(true);
  expect(second()).toBe(false);
  await vi.advanceTimersByTimeAsync(0);
  expect(first()).toBe(false);
  await end(0);
  await gatherer.idle();
  expect(sent).toEqual([['a']]);
  expect(gatherer.load).toEqual({ waiting: 0, bytes: 0, batches: 0, items: 0 });
});

it('refuses one too many, by count and by bytes, and takes the next when there is room', async () => {
  const { add, end } = gathering({ underWay: () => 1, queue: { items: 3, bytes: 10 } });
  add('under way');
  add('b', { bytes: 8 });
  expect(() => add('c', { bytes: 3 })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  add('d');
  add('e');
  expect(() => add('f')).toThrow(expect.objectContaining({ code: 'overloaded', retryAfterSeconds: 1 }));
  await end(0);
  add('f');
});

it('refuses what would not be done in time, by how fast the last ones went while others waited', async () => {
  const { add, end } = gathering({
    underWay: () => 1,
    batch: { items: 2, bytes: 100, waitMs: 10, mostMs: 5000 },
  });
  for (const work of ['a', 'b', 'c', 'd', 'e']) add(work, { forMs: 60_000 });
  await end(0);
  await vi.advanceTimersByTimeAsync(500);
  await end(1);
  // Two in half a second, eight in two seconds; with two under way there is room for three more that have half as much again to spare.
  for (const work of ['f', 'g', 'h']) add(work);
  expect(() => add('l', { forMs: 2000 })).toThrow(
    expect.objectContaining({ code: 'overloaded', retryAfterSeconds: 2 }),
  );
  add('l', { forMs: 3000 });
});

it('takes what came too late to be worked on for no sign of how fast it goes', async () => {
  const { sent, add, end } = gathering({
    underWay: () => 1,
    batch: { items: 2, bytes: 100, waitMs: 10, mostMs: 1000 },
  });
  for (const work of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) add(work, { forMs: 60_000 });
  await end(0);
  await vi.advanceTimersByTimeAsync(100);
  await end(1, 0);
  expect(sent[2]).toEqual(['d', 'e']);
  await vi.advanceTimersByTimeAsync(100);
  await end(2);
  // The time of both counts: two in 200 ms, and two are ahead.
  add('h', { forMs: 480 });
  expect(() => add('i', { forMs: 480 })).toThrow(expect.objectContaining({ code: 'overloaded' }));
});

it.each([0, 1])('sends again after a stall that only %i of a batch outlived', async (outlived) => {
  const { sent, dropped, add, end, settle } = gathering({
    batch: { items: 2, bytes: 100, waitMs: 10, mostMs: 1000 },
  });
  for (const work of ['a', 'b', 'c', 'd']) add(work);
  await vi.advanceTimersByTimeAsync(10);
  expect(sent).toEqual([['a'], ['b', 'c']]);
  await vi.advanceTimersByTimeAsync(1900);
  await end(0, outlived);
  await vi.advanceTimersByTimeAsync(1200);
  await end(1, outlived);
  await end(2);
  // What comes alone is quick again, and tells of it.
  add('e');
  await vi.advanceTimersByTimeAsync(20);
  await end(sent.length - 1);
  const before = dropped.length;
  add('f');
  await settle();
  add('g');
  await vi.advanceTimersByTimeAsync(10);
  expect(sent.slice(-2)).toEqual([['f'], ['g']]);
  expect(dropped.slice(before)).toEqual([]);
});

it('learns nothing of the pace while there was not more to do than could be done', async () => {
  const { sent, add, end } = gathering({ queue: { items: 100, bytes: 1000 } });
  add('a');
  await vi.advanceTimersByTimeAsync(1500);
  await end(0);
  for (let i = 0; i < 64; i++) add(`burst ${i}`);
  expect(sent[0]).toEqual(['a']);
});

it('sends nobody what would be late by then, and others in its place', async () => {
  const { sent, dropped, add, end } = gathering({
    underWay: () => 1,
    batch: { items: 1, bytes: 100, waitMs: 10, mostMs: 5000 },
  });
  add('a', { forMs: 60_000 });
  add('b', { forMs: 60_000 });
  add('gone', { forMs: 1200 });
  add('c', { forMs: 60_000 });
  await end(0);
  await vi.advanceTimersByTimeAsync(1300);
  await end(1);
  expect(sent).toEqual([['a'], ['b'], ['c']]);
  expect(dropped).toEqual(['gone late']);
});

it('takes another owner in where one has all the places, and one of a better priority', async () => {
  const { sent, dropped, add, end } = gathering({ underWay: () => 1, queue: { items: 3, bytes: 100 } });
  for (const work of ['a1', 'a2', 'a3', 'a4']) add(work);
  add('b1', { owner: 'bob' });
  expect(dropped).toEqual(['a4 overloaded']);
  expect(() => add('a5')).toThrow(expect.objectContaining({ code: 'overloaded' }));
  expect(() => add('b2', { owner: 'bob' })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  add('first', { owner: 'ada', priority: 1 });
  expect(dropped).toEqual(['a4 overloaded', 'a3 overloaded']);
  await end(0);
  expect(sent[1]).toEqual(['first', 'a2', 'b1']);
});

it('tries one when nothing is before it, however slow the last one was', async () => {
  const { sent, add, end } = gathering();
  add('a');
  await vi.advanceTimersByTimeAsync(60_000);
  await end(0);
  add('b');
  await end(1);
  expect(sent).toEqual([['a'], ['b']]);
});

it('sends fewer where a model is so slow that all of a batch would be late', async () => {
  const { sent, dropped, add, end } = gathering({
    underWay: () => 1,
    batch: { items: 4, bytes: 100, waitMs: 10, mostMs: 1000 },
  });
  add('a');
  for (const work of ['b', 'c', 'd', 'e', 'f', 'g', 'h']) add(work, { forMs: 60_000 });
  await end(0);
  await vi.advanceTimersByTimeAsync(2000);
  await end(1);
  expect(sent).toEqual([['a'], ['b', 'c', 'd', 'e'], ['f', 'g']]);
  await vi.advanceTimersByTimeAsync(100);
  for (const work of ['i', 'j', 'k', 'l']) add(work, { forMs: 60_000 });
  await end(2);
  expect(sent[3]).toEqual(['h', 'i', 'j', 'k']);
  expect(dropped).toEqual([]);
});
