import { modelObject, registerVersion } from '@darkroom/models';
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
