import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { problemOf } from '@darkroom/contract';
import { tellModel } from '@darkroom/models';
import { openRecords } from '@darkroom/records';
import { lostRunsConfirmedAt } from '@darkroom/records/upkeep/sweep.ts';
import { chooseDatabase } from '@darkroom/servers/run/temporal-database.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshDatabase, startPostgres, type TestPostgres } from '../../../test/harness/postgres.ts';
import { tellLostRuns, whyNoModel } from './own-rows.ts';

let folder: string;
let postgres: TestPostgres;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom lost '));
  postgres = await startPostgres();
  url = await freshDatabase(postgres.url);
});
afterAll(async () => {
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function confirmedAt(): Promise<Date | undefined> {
  const records = openRecords({ url, pool: 1, application: 'test' });
  try {
    return await lostRunsConfirmedAt(records.db);
  } finally {
    await records.close();
  }
}

it('the sweep is told of runs in the database of another server, once, and as long as it could not be told', async () => {
  await tellLostRuns(await chooseDatabase(folder, '1.32'), url);
  expect(await confirmedAt()).toBeUndefined();

  await writeFile(join(folder, 'temporal-1.29.db'), 'old');
  const nowhere = new URL(url);
  nowhere.pathname = '/nowhere';
  await expect(tellLostRuns(await chooseDatabase(folder, '1.32'), nowhere.href)).rejects.toThrow();
  expect(await confirmedAt()).toBeUndefined();

  await tellLostRuns(await chooseDatabase(folder, '1.32'), url);
  const told = await confirmedAt();
  expect(told).toBeInstanceOf(Date);
  await tellLostRuns(await chooseDatabase(folder, '1.32'), url);
  expect(await confirmedAt()).toEqual(told);
});

it('why the worker recognises nothing is one line, of that worker alone', async () => {
  expect(await whyNoModel(url, undefined)).toBeUndefined();
  const records = openRecords({ url, pool: 1, application: 'test' });
  const problem = problemOf('unsupported_model', 'The card is not valid:\n✖ Invalid option\n  → at head');
  await tellModel(records.db, `${hostname()}/17`, { problem });
  await records.close();
  expect(await whyNoModel(url, 17)).toBe('The card is not valid: ✖ Invalid option → at head');
  expect(await whyNoModel(url, 18)).toBeUndefined();
});
