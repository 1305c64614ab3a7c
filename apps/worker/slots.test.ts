import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { NoSlot, SharedSlots } from './slots.ts';

/** The slots of a queue that its worker shares with the process's own queue. */

function suppliersOf(slots: SharedSlots) {
  return [0, 1].map(() => {
    const { activityTaskSlotSupplier: supplier } = slots.tuner() as {
      activityTaskSlotSupplier: {
        reserveSlot(context: unknown, signal: AbortSignal): Promise<object>;
        markSlotUsed(context: { permit: object }): void;
        releaseSlot(context: { permit: object }): void;
      };
    };
    const never = new AbortController().signal;
    return {
      reserve: (signal = never) => supplier.reserveSlot({}, signal),
      use: (permit: object) => supplier.markSlotUsed({ permit }),
      release: (permit: object) => supplier.releaseSlot({ permit }),
    };
  });
}

const isPending = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([promise.then(() => 'done'), sleep(5, 'pending')])) === 'pending';

test('each of two asks for work with what is not in use, and stops asking while the other works', async () => {
  const [shared, own] = suppliersOf(new SharedSlots(2));
  const [first, second] = [await shared!.reserve(), await shared!.reserve()];
  const third = shared!.reserve();
  expect(await isPending(third)).toBe(true);
  // A question that is out takes nothing from the other.
  const asked = await own!.reserve();
  shared!.use(first);
  shared!.use(second);
  const more = own!.reserve();
  expect(await isPending(more)).toBe(true);
  own!.release(asked);
  expect(await isPending(more)).toBe(true);
  shared!.release(first);
  await more;
  expect(await isPending(third)).toBe(false);
});

test('a worker that shuts down waits for no slot', async () => {
  const [shared] = suppliersOf(new SharedSlots(1));
  await shared!.reserve();
  const stop = new AbortController();
  const waiting = shared!.reserve(stop.signal);
  stop.abort(new Error('shutting down'));
  await expect(waiting).rejects.toThrow('shutting down');
});

test('however many were answered at once, so many run, in the order they came', async () => {
  const slots = new SharedSlots(2);
  const ran: number[] = [];
  let running = 0;
  const run = (nth: number): Promise<void> =>
    slots.run(new AbortController().signal, async () => {
      expect(++running).toBeLessThanOrEqual(2);
      ran.push(nth);
      await sleep(1);
      running--;
      if (nth === 2) throw new Error('no');
    });
  const all = await Promise.allSettled([1, 2, 3, 4, 5].map(run));
  expect(ran).toEqual([1, 2, 3, 4, 5]);
  expect(all.filter(({ status }) => status === 'rejected')).toHaveLength(1);
});

test('an activity that is cancelled while it waits for a slot begins, to end at once', async () => {
  const slots = new SharedSlots(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const signal = new AbortController().signal;
  const first = slots.run(signal, () => promise);
  const cancel = new AbortController();
  const second = slots.run(cancel.signal, async () => 'ended');
  const third = slots.run(signal, async () => 'worked');
  expect(await isPending(second)).toBe(true);
  cancel.abort();
  expect(await second).toBe('ended');
  // It held no slot that it could hand on.
  expect(await isPending(third)).toBe(true);
  resolve();
  expect(await third).toBe('worked');
  await first;
});

test('an activity that may not wait longer leaves the line, and those behind it come to their turn', async () => {
  const slots = new SharedSlots(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const { signal } = new AbortController();
  const first = slots.run(signal, () => promise);
  const ran: string[] = [];
  const impatient = slots.run(signal, async () => ran.push('impatient'), 10);
  const patient = slots.run(signal, async () => ran.push('patient'));
  await expect(impatient).rejects.toThrow(NoSlot);
  expect(ran).toEqual([]);
  resolve();
  await Promise.all([first, patient]);
  // The slot that was handed on is free again.
  await slots.run(signal, async () => ran.push('later'), 10);
  expect(ran).toEqual(['patient', 'later']);
});
