import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRecords, type TestRecords } from '../../activities/records/testing.ts';
import { unitRunner } from './units.ts';

let house: TestRecords;
beforeAll(async () => {
  house = await startRecords();
});
afterAll(() => house?.close());

const run = { id: 'u', activity: 'work', args: [1], attempts: 2, attemptSeconds: 5 };

test('a unit that was done is done, also when its attempts cannot be forgotten', async () => {
  const { records, postgres } = house;
  const work = async (n: number) => {
    await postgres.kill();
    return n + 1;
  };
  expect(await unitRunner(records, { work })(run)).toBe(2);
  await postgres.restart();
});
