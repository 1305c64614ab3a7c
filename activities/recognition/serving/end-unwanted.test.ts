import type { ModelIdentity } from '@darkroom/contract';
import { createLogger } from '@darkroom/platform';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type EndingUnwanted, endUnwanted } from './end-unwanted.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const version = (digest: string): ModelIdentity => ({ name: 'birds', version: digest, digest });

/** Lanes of versions, each with one process. */
function lanesOf(own: ModelIdentity) {
  const open = new Set<ModelIdentity>();
  const asked = new Set<ModelIdentity>();
  const models = {
    unused: (seconds: number) => (seconds === 60 ? [...open].filter((one) => !asked.has(one)) : []),
    pidsOf: (one: Pick<ModelIdentity, 'digest'>) =>
      [...open].flatMap(({ digest }, pid) => (digest === one.digest ? pid : [])),
    own: async () => ({ identity: own }),
    unload: async (one: Pick<ModelIdentity, 'digest'>) => {
      for (const each of open) if (each.digest === one.digest) open.delete(each);
    },
  } as unknown as EndingUnwanted['models'];
  return { models, open, asked };
}

it('ends what is not loaded once nothing runs in it; what is loaded, or the own model, stays', async () => {
  const [own, loaded, used, other] = ['own', 'loaded', 'used', 'other'].map(version) as [
    ModelIdentity,
    ModelIdentity,
    ModelIdentity,
    ModelIdentity,
  ];
  const { models, open, asked } = lanesOf(own);
  for (const one of [own, loaded, used, other]) open.add(one);
  asked.add(used);
  const wanted = new Set([loaded]);
  let away = true;
  const end = endUnwanted({
    models,
    logger: createLogger({ service: 'test', level: 'fatal' }),
    wanted: async () => {
      if (away) throw new Error('the records are away');
      return [...wanted];
    },
  });
  await vi.advanceTimersByTimeAsync(5000);
  expect(open.size).toBe(4);
  away = false;
  await vi.advanceTimersByTimeAsync(5000);
  expect([...open]).toEqual([own, loaded, used]);
  // It is unloaded while a batch is still worked on with it, whose last picture comes to its end then.
  wanted.delete(loaded);
  asked.add(loaded).delete(used);
  await vi.advanceTimersByTimeAsync(5000);
  expect([...open]).toEqual([own, loaded]);
  asked.delete(loaded);
  await vi.advanceTimersByTimeAsync(5000);
  expect([...open]).toEqual([own]);
  await end();
  open.add(other);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([...open]).toEqual([own, other]);
});
