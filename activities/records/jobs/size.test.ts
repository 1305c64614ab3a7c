import { expect, it } from 'vitest';
import { toy } from '../testing.ts';
import { overLimit, sizeOf, sizeTogether } from './size.ts';

const kind = {
  ...toy,
  sizes: {
    items: ({ stage }: { stage: string }) => Number(stage === 'work'),
    bytes: ({ input }: { input: object }) => (input as { bytes?: number }).bytes ?? 0,
  },
  limits: { items: 3 },
};

it('a job is as large as its items, by what its kind measures', () => {
  const items = [{ input: { bytes: 5 } }, { input: { bytes: 7 } }, { input: {} }];
  expect(sizeOf(kind, 'work', items)).toEqual({ items: 3, bytes: 12 });
  expect(sizeOf(kind, 'read', items)).toEqual({ bytes: 12 });
  expect(sizeOf(kind, 'work', [])).toEqual({});
  expect(sizeOf(toy, 'work', items)).toBeUndefined();
  expect(sizeTogether([{ items: 3 }, null, { items: 1, bytes: 2 }])).toEqual({ items: 4, bytes: 2 });
});

it('a kind has limits of its own, which the settings replace one by one', () => {
  expect(overLimit(kind, { items: 3, bytes: 1e12 }, {})).toBeUndefined();
  expect(overLimit(kind, { items: 4 }, {})).toBe(
    'The job has 4 items; the limit is 3 (JOB_LIMITS, toy.items).',
  );
  expect(overLimit(kind, { items: 4 }, { 'toy.items': 4, 'other.items': 1 })).toBeUndefined();
  expect(overLimit(kind, { bytes: 11 }, { 'toy.bytes': 10 })).toContain('11 bytes; the limit is 10');
});
