import type { ArchiveSource } from '@darkroom/contract';
import { jobActivity } from '@darkroom/frame';
import { depsOver, startFrame, type TestFrame } from '@darkroom/frame/testing.ts';
import { allNeeded, getCheckpoint } from '@darkroom/records';
import { submitted, toy } from '@darkroom/records/testing.ts';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tarOf, zipOf } from '../testing/archives.ts';
import { shownName, unpackPictures } from './unpack-pictures.ts';

let frame: TestFrame;
beforeAll(async () => {
  frame = await startFrame();
});
afterAll(() => frame?.close());

it('leaves nothing in the ledger of an archive that is refused whole, and refuses it again', async () => {
  const { records, storage, deps } = frame;
  const { db, sql } = records.records;
  const jobId = await submitted(records.records, { items: 0 });
  const packed = zipOf(['a.jpg', 'b.jpg', 'c.jpg'].map((name) => ({ name, body: Buffer.from(name) })));
  const {
    uri,
    etag,
    size: bytes,
  } = await storage.putBytes('in/pictures.zip', packed, {
    contentType: 'application/zip',
    signal: new AbortController().signal,
  });
  const archive: ArchiveSource = { uri, etag, bytes, format: 'zip' };
  const unpackedWith = (given: typeof deps) =>
    new MockActivityEnvironment().run(
      jobActivity(given, (attempt) => unpackPictures(attempt, archive)),
      { jobId, run: 1, stage: 'read' },
    );
  const needed = async (): Promise<string[]> => {
    const uris: string[] = [];
    for await (const one of allNeeded(db, jobId)) uris.push(one);
    return uris;
  };
  expect(await unpackedWith(deps)).toEqual({ found: 3, done: true });
  expect(await needed()).toHaveLength(3);
  // As a turn leaves it that was over before all was unpacked.
  await sql`update job_checkpoints set done = false where job_id = ${jobId}`;
  const narrow = depsOver(records, {
    storage,
    kinds: { toy },
    env: { S3_ENDPOINT: frame.s3.endpoint, LIMIT_PLAN_ROWS: '2' },
  });
  for (let time = 0; time < 2; time++) {
    await expect(unpackedWith(narrow)).rejects.toThrow('more than 2 entries');
    expect(await needed()).toEqual([]);
    expect((await getCheckpoint(db, jobId, 'read'))?.found ?? 0).toBe(0);
  }
});

it('goes on with a tar at the place that the turn before has reached, and knows the names of what it took', async () => {
  const { records, storage, deps } = frame;
  const { sql } = records.records;
  const jobId = await submitted(records.records, { items: 0 });
  const large = Buffer.alloc(6 << 20, 'x');
  const packed = tarOf([
    { name: 'large.jpg', body: large },
    { name: 'b.jpg', body: Buffer.from('b') },
    { name: 'c.jpg', body: Buffer.from('c') },
    { name: 'large.jpg', body: Buffer.from('another') },
  ]);
  const { uri, etag, size } = await storage.putBytes('in/pictures.tar', packed, {
    contentType: 'application/x-tar',
    signal: new AbortController().signal,
  });
  const archive: ArchiveSource = { uri, etag, bytes: size, format: 'tar' };
  const begun: number[] = [];
  const watched = Object.create(storage, {
    get: {
      value: (of: string, options: Parameters<typeof storage.get>[1]) => {
        begun.push(options?.range?.start ?? 0);
        expect(options?.ifMatch).toBe(etag);
        return storage.get(of, options);
      },
    },
  });
  const turn = () =>
    new MockActivityEnvironment().run(
      jobActivity({ ...deps, storage: watched }, (attempt) => unpackPictures(attempt, archive)),
      { jobId, run: 1, stage: 'read' },
    );
  const items = () =>
    sql`select ordinal, input ->> 'entry' as entry, problem ->> 'code' as problem from job_items
      where job_id = ${jobId} order by ordinal`;
  expect(await turn()).toEqual({ found: 4, done: true });
  const all = await items();
  expect(all.map(({ problem }) => problem)).toEqual([null, null, null, 'refused_entry']);
  expect(begun).toContain(0);

  // As a turn leaves it that was over behind the first entry.
  const cursor = { entries: 1, place: { offset: 512 + large.length, members: 1 } };
  await sql`delete from job_items where job_id = ${jobId} and ordinal > 1`;
  await sql`update job_checkpoints set done = false, found = 1, cursor = ${JSON.stringify(cursor)}::jsonb where job_id = ${jobId}`;
  begun.length = 0;
  expect(await turn()).toEqual({ found: 4, done: true });
  expect(await items()).toEqual(all);
  expect(begun.length).toBeGreaterThan(0);
  expect(Math.min(...begun)).toBe(6 << 20);
});

it('keeps a name that was refused as Postgres takes it', () => {
  expect(shownName('a\0b\n.jpg')).toBe('a\ufffdb\ufffd.jpg');
  const cut = shownName(`${'a'.repeat(1023)}😀.jpg`);
  expect(cut).toBe(`${'a'.repeat(1023)}\ufffd`);
  expect(shownName('ünï/😀.jpg')).toBe('ünï/😀.jpg');
});
