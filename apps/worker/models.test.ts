import { confirmModels, modelObject, registerVersion, tellSandbox } from '@darkroom/models';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import { modelUpkeep } from './models.ts';

let test: TestRecords;
let s3: TestS3;
let storage: Storage;
beforeAll(async () => {
  [test, s3] = await Promise.all([startRecords(), startS3()]);
  storage = createStorage({ ...s3, forcePathStyle: true });
});
afterAll(async () => {
  storage?.close();
  await Promise.all([test?.close(), s3?.stop()]);
});

it('what workers said that are gone for an hour goes', async () => {
  const { db } = test.records;
  const sandbox = {
    landlock: 6,
    seccomp: true,
    capabilities: true,
    user: true,
    network: true,
    limits: true,
    missing: [],
  };
  const birds = { name: 'birds', version: '1', digest: 'd', state: 'ready', lanes: 1, own: true } as const;
  for (const worker of ['a/1', 'b/1']) {
    await tellSandbox(db, worker, sandbox);
    await confirmModels(db, worker, 'predictions', [birds]);
  }
  await test.records.sql`update model_workers set seen_at = now() - interval '2 hours' where worker = 'a/1'`;
  await test.records
    .sql`update model_confirmations set seen_at = now() - interval '2 hours' where worker = 'a/1'`;
  // A word of another removes nothing: it is said every two seconds.
  await tellSandbox(db, 'b/1', sandbox);
  await confirmModels(db, 'b/1', 'predictions', [birds]);
  const left = async () =>
    test.records
      .sql`select worker from model_workers union all select worker from model_confirmations order by 1`;
  expect(await left()).toHaveLength(4);
  await modelUpkeep({ records: test.records, storage }).run(new AbortController().signal);
  expect(await left()).toEqual([{ worker: 'b/1' }, { worker: 'b/1' }]);
});

it('files that no version has go when they are old, and those of a registration that came to no end', async () => {
  const put = (key: string) =>
    storage.putBytes(key, Buffer.from('model'), { contentType: 'application/octet-stream' });
  const [kept, left] = ['a'.repeat(64), 'b'.repeat(64)];
  for (const key of [modelObject(kept), modelObject(left), 'model-uploads/one', 'other/file']) await put(key);
  const version = {
    name: 'birds',
    version: '1',
    digest: 'd',
    card: {},
    serves: ['predictions'],
    by: 'olga',
  } as const;
  await registerVersion(
    test.records.db,
    { ...version, sha256: kept, bytes: 5, object: modelObject(kept) },
    async () => true,
  );
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const prefix of ['models/', 'model-uploads/', 'other/'])
      for await (const { uri } of storage.list(prefix))
        found.push(uri.slice(`s3://${storage.bucket}/`.length));
    return found;
  };
  let now = Date.now();
  const upkeep = modelUpkeep({ records: test.records, storage, now: () => now });
  await upkeep.run(new AbortController().signal);
  expect(await keys()).toHaveLength(4);
  now += 8 * 3_600_000;
  await upkeep.run(new AbortController().signal);
  expect(await keys()).toEqual([modelObject(kept), 'other/file']);
});
