import { ProblemError } from '@darkroom/contract';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  commitSubmission,
  type Db,
  getJobRow,
  openRecords,
  type Records,
  records,
  submitJob,
} from '../index.ts';
import { alice, newId, receiving, startRecords, type TestRecords, toy } from '../testing.ts';

let test: TestRecords;
/** Looks at the server beside the records under test. */
let observer: Records;
beforeAll(async () => {
  test = await startRecords(4);
  observer = openRecords({ url: test.url, pool: 2, application: 'observer' });
});
afterEach(() => observer.sql`drop function if exists at_commit() cascade`);
afterAll(async () => {
  await observer.close();
  await test.close();
});

const codeOf = (error: unknown) => (error instanceof ProblemError ? error.code : error);
const submission = (id: string) => ({ id, fingerprint: 'f', input: {}, stage: 'work', items: [] });
const submit = (id: string, within: number, record?: (tx: Db) => Promise<void>) =>
  records(() => commitSubmission(test.records.db, submission(id), record), within).then(
    ({ outcome }) => outcome,
    codeOf,
  );

/** Statements of the records under test that the server is at work on, or was last in transactions that it keeps open. */
const statements = async () =>
  (
    await observer.sql<{ query: string }>`
      select query from pg_stat_activity
      where datname = current_database() and application_name = 'darkroom' and state <> 'idle'`
  ).map(({ query }) => query);
const underWay = async () => (await statements()).length;

/** COMMITs of a new or changed row of `jobs` run this PL/pgSQL first. */
async function atCommit(body: string): Promise<void> {
  const { db } = observer;
  await db.execute(
    sql.raw(
      `create function at_commit() returns trigger language plpgsql as $$ begin ${body} return null; end $$`,
    ),
  );
  await db.execute(sql`
    create constraint trigger at_commit after insert or update on jobs deferrable initially deferred
    for each row execute function at_commit()`);
}

describe('a transaction at its deadline', () => {
  it('is ended with it: what is answered with 503 is not committed afterwards', async () => {
    const id = await receiving(test.records);
    const slow = async (tx: Db) => {
      for (let i = 0; i < 4; i++) await tx.execute(sql`select pg_sleep(0.2)`);
    };
    expect(await submit(id, 300, slow)).toBe('records_unavailable');
    await expect.poll(underWay).toBe(0);
    expect(await getJobRow(observer.db, id)).toMatchObject({ state: 'receiving', run: 0 });
  });

  it('does not begin what waited for a connection until then', async () => {
    const id = await receiving(test.records);
    const busy = Array.from({ length: 4 }, () => test.records.sql`select pg_sleep(0.8)`);
    expect(await submit(id, 300)).toBe('records_unavailable');
    await Promise.all(busy);
    await expect.poll(underWay).toBe(0);
    expect(await getJobRow(observer.db, id)).toMatchObject({ state: 'receiving', run: 0 });
  });

  it('leaves nobody waiting for a lock in the server', async () => {
    const id = await receiving(test.records);
    await observer.db.transaction(async (tx) => {
      await tx.execute(sql`select 1 from jobs where id = ${id} for update`);
      expect(await submit(id, 300)).toBe('records_unavailable');
      await expect.poll(underWay, { timeout: 5000 }).toBe(0);
    });
    expect(await getJobRow(observer.db, id)).toMatchObject({ state: 'receiving', run: 0 });
    expect(await submit(id, 20_000)).toBe('accepted');
  });

  it('keeps the pool whole', async () => {
    await Promise.all(
      Array.from({ length: 8 }, () =>
        records(() => test.records.db.transaction((tx) => tx.execute(sql`select pg_sleep(5)`)), 100).catch(
          codeOf,
        ),
      ),
    );
    expect(await submit(await receiving(test.records), 20_000)).toBe('accepted');
  });
});

describe('a COMMIT that is not answered in time', () => {
  it('that counts all the same is an accepted submission', async () => {
    const id = await receiving(test.records);
    await atCommit(
      'begin perform pg_sleep(1); exception when query_canceled then perform pg_sleep(0.5); end;',
    );
    expect(await commitWithin(id, 300)).toBe('accepted');
    expect(await getJobRow(observer.db, id)).toMatchObject({ state: 'queued', run: 1 });
  });

  it('that counts all the same is one also where it makes the row', async () => {
    const id = newId();
    await atCommit(
      'begin perform pg_sleep(1); exception when query_canceled then perform pg_sleep(0.5); end;',
    );
    expect(await makeWithin(id, 300)).toBe('accepted');
    expect(await getJobRow(observer.db, id)).toMatchObject({ state: 'queued', run: 1 });
  });

  it('that does not count makes no row', async () => {
    const id = newId();
    await atCommit('perform pg_sleep(5);');
    expect(await makeWithin(id, 300)).toBe('records_unavailable');
    expect(await getJobRow(observer.db, id)).toBeUndefined();
  });

  it('that does not count is one that was not', async () => {
    const id = await receiving(test.records);
    await atCommit('perform pg_sleep(5);');
    expect(await commitWithin(id, 300)).toBe('records_unavailable');
    expect(await getJobRow(observer.db, id)).toMatchObject({ state: 'receiving', run: 0 });
  });

  it('and of which nobody can be asked is told as such', async () => {
    const id = await receiving(test.records);
    await atCommit('perform pg_sleep(5);');
    const answer = submit(id, 20_000);
    await expect.poll(statements).toEqual(['commit']);
    await test.postgres.kill();
    expect(await answer).toBe('outcome_unknown');
    await test.postgres.restart();
    // The tests' Postgres may lose even the row, but not keep the commit.
    expect((await getJobRow(test.records.db, id))?.run ?? 0).toBe(0);
  });
});

/** The deadline is that of the commit alone: the question afterwards has its own. */
async function commitWithin(id: string, within: number): Promise<unknown> {
  const { db } = test.records;
  return await commitSubmission(deadlined(db, within), submission(id)).then(({ outcome }) => outcome, codeOf);
}

/** The same of a request that brings no objects. */
async function makeWithin(id: string, within: number): Promise<unknown> {
  const job = { id, kind: toy, caller: alice };
  const db = deadlined(test.records.db, within);
  return await submitJob(db, job, submission(id)).then(({ outcome }) => outcome, codeOf);
}

/** The records, whose first transaction has to be done within so many ms. */
function deadlined(db: Db, within: number): Db {
  let first = true;
  return new Proxy(db, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (name !== 'transaction' || !first) return typeof value === 'function' ? value.bind(target) : value;
      first = false;
      return (...args: Parameters<Db['transaction']>) => records(() => target.transaction(...args), within);
    },
  });
}
