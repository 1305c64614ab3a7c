import { expect, it } from 'vitest';
import { PredictionStatistics } from './statistics.ts';

it('counts a thousand versions, and forgets the first of more', () => {
  const counted = new PredictionStatistics({ sent: () => {}, answered: () => {}, refused: () => {} });
  const versions = Array.from({ length: 1001 }, (_, i) => String(i));
  for (const version of versions) counted.refused({ name: 'birds', version, digest: 'd' }, 'overloaded');
  expect(counted.versions.map(({ model }) => model.version)).toEqual(versions.slice(1));
});
