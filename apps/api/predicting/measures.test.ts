import { metrics } from '@darkroom/platform';
import type { PredictionRow } from '@darkroom/prediction';
import { expect, it } from 'vitest';
import { measures } from './measures.ts';

const version = (version: string) => ({ name: 'birds', version, digest: 'd' });

it('series of a version go ten minutes after it has gone, and all others stay', async () => {
  // What other tests of this process have counted.
  metrics.registry.resetMetrics();
  const known = new Set(['1', '2', '3']);
  let minutes = 0;
  const load = { waiting: 0, bytes: 0, batches: 0, items: 0 };
  const seen = measures(
    () => [...'123'].map((one) => ({ model: version(one), load })),
    (of) => known.has(of.version),
    () => minutes * 60_000,
  );
  for (const one of known) {
    seen.sent(version(one), 2);
    seen.answered(version(one), { problem: null, timings: { infer: 5 } } as PredictionRow, 20);
    seen.refused(version(one), 'overloaded');
  }
  seen.refused(undefined, 'overloaded');
  const scraped = async (at: number) => {
    minutes = at;
    const text = await metrics.registry.metrics();
    const of = (label: string) => text.split('\n').filter((line) => line.includes(label)).length;
    return [of('version="1"'), of('version="2"'), of('version="3"'), of('model=""')] as const;
  };
  const [each, , , none] = await scraped(0);
  expect(none).toBe(1);
  known.delete('1');
  known.delete('2');
  // Its gauges go at once.
  expect(await scraped(1)).toEqual([each - 2, each - 2, each, none]);
  // A worker that is the only one to have it was started anew.
  known.add('2');
  expect(await scraped(10)).toEqual([each - 2, each, each, none]);
  known.delete('2');
  expect(await scraped(11)).toEqual([0, each - 2, each, none]);
  expect(await scraped(21)).toEqual([0, 0, each, none]);
  // What is seen of it later counts from nothing.
  known.add('2');
  seen.refused(version('2'), 'overloaded');
  expect(await scraped(22)).toEqual([0, 3, each, none]);
});
