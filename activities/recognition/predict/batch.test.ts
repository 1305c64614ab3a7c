import { ProblemError } from '@darkroom/contract';
import type { BatchItem, PackedBatch } from '@darkroom/prediction';
import { expect, it } from 'vitest';
import { type Predicted, type PredictOne, predictBatch } from './batch.ts';

const model = { name: 'lite0', version: '1', digest: 'd' };
const packed = (...pictures: number[]): PackedBatch => ({
  header: {
    batch: 'b',
    sentAt: 1000,
    model,
    items: pictures.map(
      (_, i): BatchItem => ({
        id: i + 1,
        acceptedAt: '2026-01-02T03:04:05.678Z',
        owner: 'ada',
        filename: `${i + 1}.jpg`,
        bytes: 1,
        topK: 5,
        gatherMs: 3,
        leftMs: 3900,
        traceId: null,
        alias: null,
        canary: false,
      }),
    ),
  },
  bodies: pictures.map((picture) => Uint8Array.of(picture)),
});
const said = (result: number): Predicted => ({
  result,
  label: 'cat',
  score: 0.5,
  output: { width: 1, height: 1, format: 'jpeg' },
  timings: { decode: 1, infer: 2 },
});
/** The class of a picture is its byte; 255 is no picture. */
const predict: PredictOne = async ({ filename }, picture) => {
  if (picture[0] === 255) throw new ProblemError('truncated_image', `${filename} ends early.`);
  return said(picture[0]!);
};
const options = {
  predict,
  signal: new AbortController().signal,
  begunAt: 1100,
  fetchedAt: 1105,
  now: () => 2000,
  waitedMs: 0,
  width: 3,
};

it('gives each picture its own, beside those that cannot be read', async () => {
  const pictures = Array.from({ length: 16 }, (_, i) => (i === 7 ? 255 : i));
  const records = await predictBatch(packed(...pictures), options);
  expect(records.map(({ id, result }) => [id, result])).toEqual(
    pictures.map((picture, i) => [i + 1, picture === 255 ? null : picture]),
  );
  expect(records[7]).toMatchObject({ state: 'failed', problem: { code: 'truncated_image' } });
  expect(records[0]).toMatchObject({
    state: 'succeeded',
    problem: null,
    timings: { gather: 3, queue: 100, fetch: 5, decode: 1, infer: 2 },
  });
});

it.each([
  { now: () => 5001, waitedMs: 0 },
  { now: () => 2000, waitedMs: 3001 },
])('does not begin what nobody waits for any more: $waitedMs ms before it came, and since', async (times) => {
  const begun: number[] = [];
  const records = await predictBatch(packed(1, 2), {
    ...options,
    ...times,
    predict: async (_, picture) => {
      begun.push(picture[0]!);
      return said(1);
    },
  });
  expect(begun).toEqual([]);
  expect(records.map(({ problem }) => problem?.code)).toEqual(['deadline_exceeded', 'deadline_exceeded']);
});

it('passes an outage on, which is no picture’s fault, and begins nothing more', async () => {
  const error = new ProblemError('storage_unavailable', 'away');
  let begun = 0;
  const failing = predictBatch(packed(1, 2, 3, 4), {
    ...options,
    width: 2,
    predict: async () => {
      begun++;
      throw error;
    },
  });
  await expect(failing).rejects.toBe(error);
  expect(begun).toBe(2);
});

it('keeps a fault that nobody foresaw to the picture where it came up', async () => {
  const records = await predictBatch(packed(1, 2, 3), {
    ...options,
    predict: async (item, picture, using) => {
      if (picture[0] === 2) throw new TypeError('x is not a function');
      return predict(item, picture, using);
    },
  });
  expect(records.map(({ result, problem }) => problem?.code ?? result)).toEqual([1, 'internal', 3]);
});

it('ends with a cancel, whatever its pictures come to', async () => {
  const cancel = new AbortController();
  const cancelled = predictBatch(packed(1, 255, 3), {
    ...options,
    width: 1,
    signal: cancel.signal,
    predict: async () => {
      cancel.abort(new Error('cancelled'));
      throw new ProblemError('truncated_image', 'ends early');
    },
  });
  await expect(cancelled).rejects.toThrow('cancelled');
});
