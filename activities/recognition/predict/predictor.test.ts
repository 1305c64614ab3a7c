import { expect, it } from 'vitest';
import { ModelLanes } from '../lane/lanes.ts';
import { defaultModelOptions, keepsCode, limits } from '../testing/models.ts';
import { predictorIn } from './predictor.ts';

it('a prediction that nobody waits for any more does not wait for its model to come', async () => {
  const recognition = { ...(await defaultModelOptions()), lanes: 1, memoryBytes: 2e9, seconds: 60 };
  const asked = Promise.withResolvers<void>();
  const come = Promise.withResolvers<never>();
  const lanes = new ModelLanes(
    { recognition, lane: keepsCode },
    {
      fetch: () => {
        asked.resolve();
        return come.promise;
      },
    },
  );
  const { predict } = predictorIn(lanes, {
    limits: { photoPixels: limits.pixels, photoFrames: 1 },
    predictions: { bytes: 1e6, inferenceOutputBytes: 1e6 },
  } as never);
  const item = { id: 1, owner: 'ada', filename: 'cat.jpg' };
  const gone = new AbortController();
  const model = { name: 'birds', version: '1', digest: 'd1' };
  const predicted = predict(item as never, Buffer.alloc(0), { model, signal: gone.signal });
  await asked.promise;
  gone.abort(new Error('gone'));
  await expect(predicted).rejects.toThrow('gone');
  come.reject(new Error('It never comes.'));
  await lanes.close();
});
