import { expect, it } from 'vitest';
import { Timings } from './timings.ts';

it('tells what was done before this process, and what side by side', async () => {
  const began = Date.now() - 60_000;
  const timings = new Timings(
    JSON.stringify({ began, steps: [{ name: 'npm ci', from: began, to: began + 40_000 }] }),
  );
  await timings.measure('model', async () => {});
  await expect(timings.measure('Postgres', () => Promise.reject(new Error('not to be had')))).rejects.toThrow(
    'not to be had',
  );
  timings.mark('first finding');
  timings.mark('first finding');
  const table = timings.table();
  expect(table[0]).toMatch(/^ {2}step +from s +to s +took s$/);
  expect(table[1]).toMatch(/^ {2}npm ci +0\.0 +40\.0 +40\.0$/);
  expect(table.filter((line) => line.includes('first finding'))).toHaveLength(1);
  expect(table.find((line) => line.includes('first finding'))).toMatch(
    /first finding +0\.0 +6\d\.\d +6\d\.\d$/,
  );
  expect(table.some((line) => /Postgres +6\d\.\d +6\d\.\d +\d+\.\d$/.test(line))).toBe(true);
  expect(table).toHaveLength(5);
});
