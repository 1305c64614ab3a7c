import { loadConfig } from '@darkroom/platform';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { execute, poolOf, queueDefinitions, refuseUnknown } from './workers.ts';

const DATABASE_URL = 'postgres://darkroom@127.0.0.1/darkroom';
const names = ['light', 'recognition', 'media'];
const poolWith = (env: NodeJS.ProcessEnv, served = names): number =>
  poolOf(loadConfig({ DATABASE_URL, WORKER_MAX_ACTIVITIES: '4', DECODER_PROCESSES: '2', ...env }), served);

test('the pool of connections follows the slots of the queues that the worker serves, as they are set', () => {
  expect(poolWith({})).toBe(10 + 2 * (4 + 2));
  expect(poolWith({ WORKER_SLOTS: 'recognition=7' })).toBe(10 + 2 * (7 + 2));
  expect(poolWith({ WORKER_SLOTS: 'recognition=7,media=3' })).toBe(10 + 2 * (7 + 3));
  expect(poolWith({ WORKER_SLOTS: 'recognition=7' }, ['media'])).toBe(10 + 2 * 2);
  // Light steps are short: however many there are, they share the ten.
  expect(poolWith({ WORKER_SLOTS: 'light=40' }, ['light'])).toBe(10);
  expect(poolWith({ WORKER_SLOTS: 'recognition=7', DATABASE_POOL: '5' })).toBe(5);
});

test('what is set for a queue that there is not is refused, by name', () => {
  expect(() => refuseUnknown('WORKER_SLOTS', { light: 20, media: 1 }, queueDefinitions)).not.toThrow();
  expect(() => refuseUnknown('PAGE_SECONDS', { recogniton: 1 }, queueDefinitions)).toThrow(
    'PAGE_SECONDS names recogniton; the queues are light, recognition, media, interactive, sky-realtime, sky, sky-mosaic.',
  );
});

test('an attempt at a call that replaces one which failed knows since when attempts fail, and tells the next', async () => {
  const toldBy = async (failed: boolean): Promise<unknown[]> => {
    const activity = new MockActivityEnvironment({ attempt: 1, currentAttemptScheduledTimestampMs: 1000 });
    const told: unknown[] = [];
    activity.on('heartbeat', (details) => told.push(details));
    const call = { jobId: 'j', run: 1, stage: 'work', replaces: { activity: '7', failed } };
    await activity.run(() => execute(12, undefined, { args: [call], headers: {} }, async () => 'done'));
    return told;
  };
  expect(await toldBy(true)).toMatchObject([{ since: 1000 }]);
  expect(await toldBy(false)).toEqual([]);
});
