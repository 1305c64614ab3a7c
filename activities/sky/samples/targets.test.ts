import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { sampleTargets } from './targets.ts';

it('are the list that lies among the samples', async () => {
  const list = new URL('../../../apps/local/_samples/targets.csv', import.meta.url);
  expect(await readFile(list, 'utf8')).toBe(sampleTargets());
});

it('are on the sky of the samples, one apart from another, the brightest first', () => {
  const rows = sampleTargets(50)
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => row.split(','));
  expect(rows).toHaveLength(50);
  expect(rows.map(([, , , magnitude]) => Number(magnitude))).toEqual(
    rows.map(([, , , magnitude]) => Number(magnitude)).sort((a, b) => a - b),
  );
  for (const [, ra, dec] of rows) {
    expect(Math.abs(Number(ra) - 150.1)).toBeLessThan(0.07);
    expect(Math.abs(Number(dec) - 2.2)).toBeLessThan(0.07);
  }
});
