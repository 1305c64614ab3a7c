import type { Job } from '@darkroom/contract';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readEvents, type StreamEvent } from './events.ts';
import { applyEvent } from './service.ts';

async function read(chunks: Uint8Array[]): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of readEvents(chunks)) events.push(event);
  return events;
}

it('reads the same events however the stream is cut', async () => {
  const text =
    'retry: 3000\n\nid: 1\nevent: snapshot\ndata: {"name":"fotó"}\n\n: still here\n\nevent: state\ndata: [1,2]\n\nevent: cut';
  const bytes = new TextEncoder().encode(text);
  const wanted = [
    { type: 'snapshot', data: { name: 'fotó' } },
    { type: 'state', data: [1, 2] },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }), async (cuts) => {
      const borders = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const chunks = borders.slice(1).map((end, index) => bytes.subarray(borders[index], end));
      expect(await read(chunks)).toEqual(wanted);
    }),
    { numRuns: 50 },
  );
});

it('takes from an event only what carries the whole job or its progress', () => {
  const current = {
    id: 'a',
    state: 'running',
    progress: { stage: null, stages: [], percent: 1, etaSeconds: null },
  } as unknown as Job;
  expect(applyEvent(current, { type: 'state', data: { state: 'cancelling' } })).toBe(current);
  expect(applyEvent(current, { type: 'item', data: { key: '1' } })).toBe(current);
  const progress = { stage: 'probe', stages: [], percent: 2, etaSeconds: 3 };
  expect(applyEvent(current, { type: 'progress', data: progress })).toEqual({ ...current, progress });
});
