import { expect, it } from 'vitest';
import { labelOf, modelCard } from './card.ts';

it.each([
  ['7', true],
  ['0', true],
  ['007', false],
  ['00', false],
  ['-1', false],
  ['12345678901234567890', false],
])('a card may have a label of class %s: %s', (id, taken) => {
  const read = modelCard.safeParse({ labels: { [id]: 'cat' } });
  expect(read.success).toBe(taken);
  if (read.data?.labels !== undefined) expect(labelOf(read.data.labels, Number(id))).toBe('cat');
});
