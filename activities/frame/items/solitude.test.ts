import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Solitude } from './solitude.ts';

const never = new AbortController().signal;

test('what runs alone has nothing beside it, and everything gets its turn', async () => {
  const task = fc.record({ alone: fc.boolean(), ms: fc.integer({ min: 0, max: 3 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(task, { maxLength: 12 }), async (tasks) => {
      const solitude = new Solitude();
      const running = new Set<{ alone: boolean }>();
      const crowds: boolean[] = [];
      await Promise.all(
        tasks.map((one) =>
          solitude.run(one.alone, never, async () => {
            running.add(one);
            crowds.push(running.size > 1 && [...running].some(({ alone }) => alone));
            await sleep(one.ms);
            running.delete(one);
          }),
        ),
      );
      expect(crowds).toEqual(tasks.map(() => false));
    }),
    { numRuns: 50 },
  );
});

test('what need not be alone runs together', async () => {
  const solitude = new Solitude();
  let [running, most] = [0, 0];
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await sleep(5);
    running--;
  };
  await Promise.all([1, 2, 3].map(() => solitude.run(false, never, work)));
  expect(most).toBe(3);
});

test('who gives up while it waits holds up nobody', async () => {
  const solitude = new Solitude();
  const [leave, done] = [new AbortController(), Promise.withResolvers<void>()];
  const first = solitude.run(false, never, () => done.promise);
  const alone = solitude.run(true, leave.signal, async () => 'alone');
  const behind = solitude.run(false, never, async () => 'behind');
  leave.abort(new Error('enough'));
  await expect(alone).rejects.toThrow('enough');
  expect(await behind).toBe('behind');
  done.resolve();
  await first;
  expect(await solitude.run(true, never, async () => 'later')).toBe('later');
});

test('work that fails gives its place back', async () => {
  const solitude = new Solitude();
  const failing = solitude.run(true, never, () => Promise.reject(new Error('broken')));
  await expect(failing).rejects.toThrow('broken');
  expect(await solitude.run(false, never, async () => 'next')).toBe('next');
});
