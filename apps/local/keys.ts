import { createKey, findKey, openRecords } from '@darkroom/records';

/**
 * The key of the person who runs the stack: `known` where the database still has it, else a new one of role admin.
 * @param databaseUrl a database whose tables are there
 */
export async function firstKey(databaseUrl: string, known: string | undefined): Promise<string> {
  const records = openRecords({ url: databaseUrl, pool: 1, application: 'darkroom-local' });
  try {
    if (known !== undefined && (await findKey(records.db, known))) return known;
    const { key } = await createKey(records.db, { owner: 'local', role: 'admin', priority: 3 });
    return key;
  } finally {
    await records.close();
  }
}
