import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../../test/harness/postgres.ts';
import {
  appendLog,
  assertUploadOver,
  completeUpload,
  createKey,
  createUpload,
  findKey,
  getUpload,
  isMigrated,
  leftUploads,
  listKeys,
  markUploadEmptied,
  migrate,
  openRecords,
  readLog,
  requestDelete,
  revokeKey,
  takeBackUpload,
  useUpload,
} from './index.ts';
import { startRecords, submitted, type TestRecords } from './testing.ts';

let test: TestRecords;
beforeAll(async () => {
  test = await startRecords();
});
afterAll(() => test.close());

describe('log', () => {
  const line = (jobId: string, text: string, stage = 'work') => ({
    jobId,
    run: 1,
    stage,
    level: 'info',
    attempt: 1,
    line: text,
    traceId: null,
  });

  it('keeps lines in order, by stage, with their time', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const at = new Date('2026-01-02T03:04:05.678Z');
    await appendLog(db, [
      { ...line(id, 'one'), at },
      line(id, 'two\0', 'pack'),
      line(id, 'cut \udc00', 'pack'),
    ]);
    await appendLog(db, [line(id, 'three')]);
    const all = await readLog(db, id, { limit: 10 });
    expect(all.map((entry) => entry.line)).toEqual(['one', 'two', 'cut \ufffd', 'three']);
    expect(all[0]).toMatchObject({ at, level: 'info', attempt: 1, run: 1 });
    const rest = await readLog(db, id, { limit: 10, after: all[0]!.id, stage: 'work' });
    expect(rest.map((entry) => entry.line)).toEqual(['three']);
  });

  it('ends at its limit with a line that says so, written once by many at once', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    const big = 'x'.repeat(99);
    await Promise.all(
      Array.from({ length: 8 }, () =>
        appendLog(
          db,
          Array.from({ length: 5 }, () => line(id, big)),
          1000,
        ),
      ),
    );
    const lines = (await readLog(db, id, { limit: 100 })).map((entry) => entry.line);
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('The log ends here: it reached its limit of 1000 bytes.');
    expect(lines.slice(0, -1).every((text) => text === big)).toBe(true);
  });

  it('takes nothing for a job that is to be deleted', async () => {
    const { db } = test.records;
    const id = await submitted(test.records);
    await requestDelete(db, id);
    await appendLog(db, [line(id, 'late')]);
    expect(await readLog(db, id, { limit: 10 })).toEqual([]);
  });
});

describe('keys', () => {
  it('are found by their text until they are revoked, and kept as a hash', async () => {
    const { db, sql } = test.records;
    const { id, key } = await createKey(db, { owner: 'kim', group: 'lab', role: 'operator', priority: 2 });
    expect(key).toMatch(/^dk_[A-Za-z0-9_-]{43}$/);
    expect(await findKey(db, key)).toMatchObject({
      id,
      owner: 'kim',
      group: 'lab',
      role: 'operator',
      priority: 2,
    });
    expect(await findKey(db, `${key}x`)).toBeUndefined();
    const [used] = await sql`select last_used_at from api_keys where id = ${id}`;
    expect(used?.last_used_at).toBeInstanceOf(Date);
    await findKey(db, key);
    expect(await sql`select last_used_at from api_keys where id = ${id}`).toEqual([used]);
    expect(JSON.stringify(await sql`select * from api_keys`)).not.toContain(key);
    const [listed] = await listKeys(db);
    expect(key.startsWith(listed!.prefix)).toBe(true);
    expect(await revokeKey(db, listed!.prefix)).toHaveLength(1);
    expect(await revokeKey(db, id)).toEqual([]);
    expect(await findKey(db, key)).toBeUndefined();
  });
});

describe('uploads', () => {
  it('go from open over complete to used, and no way back', async () => {
    const { db } = test.records;
    const upload = {
      id: 'u1',
      owner: 'kim',
      filename: 'a.jpg',
      key: 'uploads/u1',
      bytes: 3e9,
      partBytes: 8e6,
    };
    expect(await createUpload(db, upload, 1)).toMatchObject({ ...upload, state: 'open', multipartId: null });
    expect(await useUpload(db, 'u1')).toBe(false);
    const done = await completeUpload(db, 'u1', 'etag');
    expect(done).toMatchObject({ state: 'complete', etag: 'etag' });
    expect(await completeUpload(db, 'u1', 'etag')).toEqual(done);
    const later = new Date(Date.now() + 60_000);
    const left = async (before: Date) => (await leftUploads(db, before, '', 10)).map(({ id }) => id);
    expect(await left(later)).toEqual(['u1']);
    expect(await left(new Date(0))).toEqual([]);
    await expect(assertUploadOver(db, 'u1')).rejects.toThrow('its objects stay');
    expect(await Promise.all([useUpload(db, 'u1'), useUpload(db, 'u1')])).toContain(false);
    expect(await useUpload(db, 'u1')).toBe(false);
    expect(await completeUpload(db, 'u1', 'other')).toBeUndefined();
    expect(await takeBackUpload(db, 'u1')).toMatchObject({ state: 'used', emptiedAt: null });
    await assertUploadOver(db, 'u1');
    expect(await left(new Date(0))).toEqual(['u1']);
    await markUploadEmptied(db, 'u1');
    expect(await left(later)).toEqual([]);
  });

  it('that no job has used are taken back, and used by none after it', async () => {
    const { db } = test.records;
    const upload = { id: 'u3', owner: 'kim', filename: 'a.jpg', key: 'u/3/a', bytes: 1, partBytes: 8e6 };
    await createUpload(db, upload, 1);
    await markUploadEmptied(db, 'u3');
    expect(await takeBackUpload(db, 'u3')).toMatchObject({ state: 'removed', emptiedAt: null });
    expect(await completeUpload(db, 'u3', 'etag')).toBeUndefined();
    expect(await useUpload(db, 'u3')).toBe(false);
    expect(await getUpload(db, 'u2')).toBeUndefined();
  });
});

describe('migrate', () => {
  it('can be run by several at once, and again', async () => {
    const url = await freshDatabase(test.postgres.url);
    await Promise.all([migrate(url), migrate(url), migrate(url)]);
  });

  it('runs against an empty database by several at once', async () => {
    const name = 'raced';
    const at = new URL(test.url);
    at.pathname = `/${name}`;
    await test.records.db.execute(`create database ${name}`);
    await Promise.all(Array.from({ length: 4 }, () => migrate(at.href)));
  });

  it('is known to be due or done', async () => {
    expect(await isMigrated(test.url)).toBe(true);
    const at = new URL(test.url);
    at.pathname = '/unmigrated';
    await test.records.db.execute('create database unmigrated');
    expect(await isMigrated(at.href)).toBe(false);
    await migrate(at.href);
    expect(await isMigrated(at.href)).toBe(true);
    const other = openRecords({ url: at.href, pool: 1 });
    await other.db.execute(
      'delete from drizzle.__drizzle_migrations where created_at = (select max(created_at) from drizzle.__drizzle_migrations)',
    );
    await other.close();
    expect(await isMigrated(at.href)).toBe(false);
  });

  it('is a transaction for each migration, which holds no lock while a later one works', async () => {
    const at = new URL(test.url);
    at.pathname = '/half_migrated';
    await test.records.db.execute('create database half_migrated');
    const other = openRecords({ url: at.href, pool: 1 });
    await other.db.execute(`
      create function refuse() returns event_trigger language plpgsql as $$
        begin
          if exists (select 1 from pg_event_trigger_ddl_commands() where object_identity = 'public.job_items_in_order') then
            raise exception 'refused';
          end if;
        end $$`);
    await other.db.execute('create event trigger refusing on ddl_command_end execute function refuse()');
    await expect(migrate(at.href)).rejects.toThrow('refused');
    expect(await other.sql`select 1 from information_schema.tables where table_name = 'jobs'`).toHaveLength(
      1,
    );
    await other.db.execute('drop event trigger refusing');
    await migrate(at.href);
    await other.close();
    expect(await isMigrated(at.href)).toBe(true);
  });

  it('gives way to who works meanwhile and locks the same tables in another order, and comes again', async () => {
    const at = new URL(test.url);
    at.pathname = '/worked_in';
    await test.records.db.execute('create database worked_in');
    // Of the two the migration finds out first.
    await test.records.db.execute(`alter database worked_in set deadlock_timeout = '1500ms'`);
    const other = openRecords({ url: at.href, pool: 2 });
    await other.db.execute(`
      create function refuse() returns event_trigger language plpgsql as $$
        begin
          if exists (select 1 from pg_attribute where attrelid = to_regclass('job_checkpoints') and attname = 'objects') then
            raise exception 'refused';
          end if;
        end $$`);
    await other.db.execute('create event trigger refusing on ddl_command_end execute function refuse()');
    await expect(migrate(at.href)).rejects.toThrow('refused');
    await other.db.execute('drop event trigger refusing');
    let migrating: Promise<void> | undefined;
    const working = other.db.transaction(async (tx) => {
      await tx.execute(`set local deadlock_timeout = '5s'`);
      await tx.execute('lock table job_stages in row exclusive mode');
      migrating = migrate(at.href);
      migrating.catch(() => {});
      const waits = async () =>
        (await other.sql`select 1 from pg_locks where relation = 'job_stages'::regclass and not granted`)
          .length;
      await expect.poll(waits, { interval: 20, timeout: 10_000 }).toBe(1);
      // It has that table by now, and comes to this one next.
      await tx.execute('select count(*) from job_checkpoints');
    });
    // Where the machine was too slow it is this one that gave way.
    await working.catch(() => {});
    await migrating;
    await other.close();
    expect(await isMigrated(at.href)).toBe(true);
  });

  it('says that Postgres is away', async () => {
    await expect(migrate('postgres://nobody@127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'records_unavailable',
    });
  });
});
