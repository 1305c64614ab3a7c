import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { type PredictionRow, recordPredictions } from '../records.ts';
import { RowsToCome } from './rows-to-come.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());
afterEach(() => void vi.useRealTimers());

it('looks again for what it is told of while it looks', async () => {
  // Nothing is looked for by the clock.
  vi.useFakeTimers({ toFake: ['setInterval'] });
  const { db } = test.records;
  let tell = (_: string): void => {};
  const [asked, open] = [Promise.withResolvers<void>(), Promise.withResolvers<boolean>()];
  const rows = new RowsToCome({
    records: {
      db,
      listen: async (_, told) => {
        tell = told;
        return { unlisten: async () => {} };
      },
    },
    askMs: 0,
    isOpen: () => {
      asked.resolve();
      return open.promise;
    },
  });
  const place = { id: 1, acceptedAt: new Date().toISOString() };
  const answer = Promise.withResolvers<PredictionRow>();
  const waiting = rows.wait('b', [{ place, answer: answer.resolve, refuse: answer.reject }]);
  await asked.promise;
  await recordPredictions(db, 'b', [
    {
      ...place,
      owner: 'ada',
      state: 'succeeded',
      result: 7,
      label: null,
      score: null,
      output: null,
      problem: null,
      model: { name: 'lite0', version: '1', digest: 'd' },
      alias: null,
      canary: false,
      filename: 'a.jpg',
      bytes: 3,
      timings: {},
      traceId: null,
    },
  ]);
  tell('b');
  open.resolve(true);
  expect((await answer.promise).result).toBe(7);
  expect(await waiting).toEqual([]);
  await rows.close();
});
