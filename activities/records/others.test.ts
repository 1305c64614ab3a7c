import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../../test/harness/postgres.ts';
import {
  appendLog,
  completeUpload,
  createKey,
  createUpload,
  findKey,
  getUpload,
  listKeys,
  markUploadRemoved,
  markUploadUsed,
  migrate,
  readLog,
  requestDelete,
  revokeKey,
  staleUploads,
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
    await appendLog(db, [{ ...line(id, 'one'), at }, line(id, 'two\0', 'pack')]);
    await appendLog(db, [line(id, 'three')]);
    const all = await readLog(db, id, { limit: 10 });
    expect(all.map((entry) => entry.line)).toEqual(['one', 'two', 'three']);
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
    expect(await createUpload(db, upload)).toMatchObject({ ...upload, state: 'open', multipartId: null });
    expect(await markUploadUsed(db, 'u1')).toBeUndefined();
    const done = await completeUpload(db, 'u1', 'etag');
    expect(done).toMatchObject({ state: 'complete', etag: 'etag' });
    expect(await completeUpload(db, 'u1', 'etag')).toEqual(done);
    const later = new Date(Date.now() + 60_000);
    expect((await staleUploads(db, later, 10)).map(({ id }) => id)).toEqual(['u1']);
    expect(await markUploadUsed(db, 'u1')).toMatchObject({ state: 'used' });
    expect(await markUploadUsed(db, 'u1')).toMatchObject({ state: 'used' });
    expect(await completeUpload(db, 'u1', 'other')).toBeUndefined();
    expect(await staleUploads(db, later, 10)).toEqual([]);
    await markUploadRemoved(db, 'u1');
    expect(await getUpload(db, 'u1')).toMatchObject({ state: 'removed' });
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

  it('says that Postgres is away', async () => {
    await expect(migrate('postgres://nobody@127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'records_unavailable',
    });
  });
});
