import { openRecords, type Records } from '@darkroom/records';
import { lostRunsConfirmedAt } from '@darkroom/records/upkeep/sweep.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { freshDatabase, startPostgres, type TestPostgres } from '../../../test/harness/postgres.ts';
import { sweep } from './sweep.ts';

let postgres: TestPostgres;
let records: Records;
beforeAll(async () => {
  postgres = await startPostgres();
  const url = await freshDatabase(postgres.url);
  records = openRecords({ url, pool: 1 });
  vi.stubEnv('DATABASE_URL', url);
  vi.spyOn(console, 'log').mockImplementation(() => {});
});
afterAll(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await records?.close();
  await postgres?.stop();
});

it('says that lost runs are lost when it is told so by name, and nothing without', async () => {
  expect(await sweep.run([])).toBe(2);
  expect(await lostRunsConfirmedAt(records.db)).toBeUndefined();
  await expect(sweep.run(['--confirm'])).rejects.toThrow('--confirm');
  expect(await lostRunsConfirmedAt(records.db)).toBeUndefined();
  expect(await sweep.run(['--confirm-lost'])).toBe(0);
  expect(await lostRunsConfirmedAt(records.db)).toBeInstanceOf(Date);
});
