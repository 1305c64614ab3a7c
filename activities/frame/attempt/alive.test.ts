import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { failedFor, failingAt, gotOn, keepAlive, showInHeartbeats } from './alive.ts';

const hour = 3_600_000;

test('the first attempt has not failed, however long it waited in its queue', () => {
  expect(failingAt({ attempt: 1, currentAttemptScheduledTimestampMs: 0 }, 20 * hour)).toBeUndefined();
});

test('failing counts from the first retry, by dead workers too, without the waits for a worker', () => {
  // The first worker died; the engine noticed at 1 h, and the second attempt waited for another worker until 14 h.
  const second = failingAt({ attempt: 2, currentAttemptScheduledTimestampMs: hour }, 14 * hour)!;
  expect(failedFor(second, 14 * hour)).toBe(0);
  // That one died at 16 h, the third began half an hour after it was scheduled.
  const third = failingAt(
    { attempt: 3, currentAttemptScheduledTimestampMs: 16 * hour, heartbeatDetails: second },
    16.5 * hour,
  )!;
  expect(failedFor(third, 16.5 * hour)).toBe(2 * hour);
  expect(failedFor(third, 18 * hour)).toBe(3.5 * hour);
});

test('the first attempt after that of an activity which failed has failed before, and tells the next one at once', async () => {
  const begun = { attempt: 1, currentAttemptScheduledTimestampMs: hour };
  expect(failingAt(begun, 2 * hour, true)).toEqual({ since: hour, queuedMs: hour });
  const activity = new MockActivityEnvironment({ ...begun, currentAttemptScheduledTimestampMs: Date.now() });
  const told: unknown[] = [];
  activity.on('heartbeat', (details) => told.push(details));
  await activity.run(() => keepAlive(12, async () => {}, true));
  expect(told).toMatchObject([{ since: expect.any(Number) }]);
});

/** An attempt at an activity that has failed since long ago. */
async function attemptAfterDays(last?: boolean) {
  const activity = new MockActivityEnvironment({
    attempt: 5,
    currentAttemptScheduledTimestampMs: Date.now(),
    heartbeatDetails: { since: Date.now() - 60 * hour, queuedMs: 0, ...(last !== undefined && { last }) },
  });
  const told: unknown[] = [];
  activity.on('heartbeat', (details) => told.push(details));
  let tried = false;
  const work = async (): Promise<void> => {
    tried = true;
  };
  const result = await activity
    .run(() => keepAlive(12, work))
    .then(
      () => 'done',
      (error: { type?: string }) => error.type,
    );
  return { tried, result, told };
}

test('what has failed for too long is tried once more: the machine may have been off', async () => {
  expect(await attemptAfterDays()).toMatchObject({ tried: true, result: 'done', told: [{ last: true }] });
});

test('it is not tried again where the last try ended with its worker', async () => {
  expect(await attemptAfterDays(true)).toMatchObject({ tried: false, result: 'problem:outage' });
});

test('an activity whose worker was told to stop has not failed, and leaves that to the next attempt', async () => {
  const activity = new MockActivityEnvironment({ attempt: 1 });
  const told: unknown[] = [];
  activity.on('heartbeat', (details) => told.push(details));
  const ended = activity.run(() =>
    keepAlive(12, async () => {
      activity.cancel('WORKER_SHUTDOWN');
      await activity.context.sleep(60_000);
    }),
  );
  await expect(ended).rejects.toMatchObject({
    type: 'released',
    nonRetryable: false,
    nextRetryDelay: '500 ms',
  });
  expect(told.at(-1)).toEqual({ released: true });
  const next = { attempt: 2, currentAttemptScheduledTimestampMs: 0, heartbeatDetails: told.at(-1) };
  expect(failingAt(next, 20 * hour)).toBeUndefined();
  // One that is cancelled by somebody ends as such.
  const cancelled = new MockActivityEnvironment({ attempt: 1 });
  const left = cancelled.run(() => {
    cancelled.cancel('CANCELLED');
    return keepAlive(12, () => cancelled.context.sleep(60_000));
  });
  await expect(left).rejects.toBeInstanceOf(CancelledFailure);
});

test('an attempt that has brought its work on for good counts its failures from then on', async () => {
  const activity = new MockActivityEnvironment({
    attempt: 5,
    heartbeatDetails: { since: Date.now() - 60 * hour, queuedMs: 0 },
  });
  const work = async (): Promise<void> => {
    gotOn();
    throw new Error('The store is away.');
  };
  await expect(activity.run(() => keepAlive(12, work))).rejects.toMatchObject({ type: 'problem:internal' });
});

test('heartbeats show how far the work is, and the next attempt still knows since when attempts fail', async () => {
  const { since, queuedMs } = { since: Date.now() - hour, queuedMs: 0 };
  const activity = new MockActivityEnvironment({
    attempt: 2,
    heartbeatTimeoutMs: 30,
    currentAttemptScheduledTimestampMs: Date.now(),
    heartbeatDetails: { stage: 'work', ended: 3, since, queuedMs },
  });
  const told: { ended?: number }[] = [];
  activity.on('heartbeat', (details) => told.push(details));
  await activity.run(() =>
    keepAlive(12, async () => {
      showInHeartbeats(() => ({ stage: 'work', ended: 5 }));
      await expect.poll(() => told.at(-1), { timeout: 10_000 }).toMatchObject({ ended: 5 });
    }),
  );
  const next = { attempt: 3, currentAttemptScheduledTimestampMs: Date.now(), heartbeatDetails: told.at(-1) };
  expect(told.at(-1)).toMatchObject({ stage: 'work', ended: 5, since });
  expect(failedFor(failingAt(next, Date.now())!, Date.now())).toBeGreaterThan(0.9 * hour);
});
