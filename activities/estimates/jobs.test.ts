import { predictionBatchKind, videoKind } from '@darkroom/contract';
import { expect, test } from 'vitest';
import { assumedOf, comparableJob, type Estimates, estimateOfJob } from './index.ts';

test('a job is like others of its size, by what its kind measures and goes by', () => {
  const input = (options: Record<string, unknown>) => videoKind.input.parse(options);
  const size = { bytes: 1e8, scenes: 40 };
  expect(comparableJob(videoKind, { input: input({}), size })).toEqual({
    kind: 'video',
    key: 'exact',
    features: { bytes: 1e8 },
  });
  expect(comparableJob(videoKind, { input: input({ mode: 'fast', to: 60 }), size })?.key).toBe(
    'fast, a part',
  );
  // Of a list nothing is known before it is read, and a kind may say nothing at all.
  expect(comparableJob(predictionBatchKind, { input: {}, size: {} })).toBeUndefined();
  expect(comparableJob({ kind: 'other' }, { input: {}, size })).toBeUndefined();
});

test('an estimate of a job is told to three digits', () => {
  const asked: unknown[] = [];
  const estimates: Pick<Estimates, 'estimate'> = {
    estimate: (of) => {
      asked.push(of);
      return {
        seconds: { p50: 12.3456, p90: 1234.56 },
        bytes: null,
        runs: 7,
        error: { runs: 5, ratio: 1.23456, withinP90: 2 / 3 },
      };
    },
  };
  const job = { input: {}, size: { pictures: 100 } };
  expect(estimateOfJob(estimates, predictionBatchKind, job)).toEqual({
    seconds: { p50: 12.3, p90: 1230 },
    runs: 7,
    error: { runs: 5, ratio: 1.23, withinP90: 0.667 },
  });
  expect(asked).toEqual([{ kind: 'prediction-batch', key: '', features: { pictures: 100 } }]);
  expect(assumedOf({ a: predictionBatchKind, b: { kind: 'other' } })).toEqual({
    'prediction-batch': { seconds: predictionBatchKind.estimate.seconds },
  });
});
