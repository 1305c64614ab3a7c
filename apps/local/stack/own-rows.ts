/** What the stack itself writes into the database. */
import { hostname } from 'node:os';
import { modelProblems } from '@darkroom/models';
import { confirmLostRuns, createKey, findKey, openRecords } from '@darkroom/records';
import type { TemporalDatabase } from '@darkroom/servers/run/temporal-database.ts';

/**
 * The key of the person who runs the stack: `known` where the database still has it, else a new one of role admin if `make` says so.
 * @param databaseUrl a database whose tables are there
 */
export async function ownKey(
  databaseUrl: string,
  known: string | undefined,
  make: boolean,
): Promise<string | undefined> {
  const records = openRecords({ url: databaseUrl, pool: 1, application: 'darkroom-local' });
  try {
    if (known !== undefined && (await findKey(records.db, known))) return known;
    if (!make) return undefined;
    const { key } = await createKey(records.db, { owner: 'local', role: 'admin', priority: 3 });
    return key;
  } finally {
    await records.close();
  }
}

/**
 * Why the worker of that process recognises nothing, in one line; undefined where it can, or has not said.
 * @param databaseUrl a database whose tables are there
 */
export async function whyNoModel(databaseUrl: string, pid: number | undefined): Promise<string | undefined> {
  if (pid === undefined) return undefined;
  const records = openRecords({ url: databaseUrl, pool: 1, application: 'darkroom-local' });
  try {
    const [found] = await modelProblems(records.db, `${hostname()}/${pid}`);
    return found?.problem.detail.replaceAll(/\s+/g, ' ');
  } finally {
    await records.close();
  }
}

/**
 * Tells the sweep that the runs of an earlier Temporal database are gone for good, where they are, so that it queues all their
 * jobs again. Told once: a start that dies before it is told leaves that to the next.
 * @param databaseUrl a database whose tables are there
 */
export async function tellLostRuns(database: TemporalDatabase, databaseUrl: string): Promise<void> {
  if (!database.lostRuns) return;
  const records = openRecords({ url: databaseUrl, pool: 1, application: 'darkroom-local' });
  try {
    await confirmLostRuns(records.db, 'the local stack, whose Temporal has a new database');
  } finally {
    await records.close();
  }
  await database.confirmed();
}
