import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { temporaryFolder } from '../testing/models.ts';
import { type CachedFile, ModelCache } from './model-cache.ts';

let s3: TestS3;
let storage: Storage;
beforeAll(async () => {
  s3 = await startS3();
  storage = createStorage({ ...s3, forcePathStyle: true });
});
afterAll(async () => {
  storage.close();
  await s3.stop();
});

async function stored(text: string): Promise<CachedFile> {
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const object = `models/${sha256}/model.onnx`;
  await storage.putBytes(object, bytes, { contentType: 'application/octet-stream' });
  return { sha256, bytes: bytes.length, object };
}
const age = (path: string, seconds: number) => {
  const then = new Date(Date.now() - seconds * 1000);
  return utimes(path, then, then);
};

it('fetches a file once, readable to lanes, and several processes may at the same time', async () => {
  const dir = join(await temporaryFolder(), 'cache');
  const file = await stored('one');
  const caches = [1, 2].map(() => new ModelCache({ dir, bytes: 1e9, storage }));
  const paths = await Promise.all([...caches, ...caches].map((cache) => cache.path(file)));
  expect(new Set(paths)).toEqual(new Set([join(dir, file.sha256, 'model.onnx')]));
  expect(await readFile(paths[0]!, 'utf8')).toBe('one');
  expect((await stat(paths[0]!)).mode & 0o777).toBe(0o644);
  expect(await readdir(dir)).toEqual([file.sha256]);
  // It is there, whatever becomes of the object.
  expect(await caches[0]!.path({ ...file, object: 'models/gone' })).toBe(paths[0]);
  await caches[0]!.forget(file.sha256);
  await expect(caches[0]!.path({ ...file, object: 'models/gone' })).rejects.toMatchObject({
    code: 'source_not_found',
  });
});

it('takes no object for a model whose bytes are others, and leaves nothing of it', async () => {
  const dir = await temporaryFolder();
  const file = await stored('one');
  await storage.putBytes(file.object, Buffer.from('two'), { contentType: 'application/octet-stream' });
  const cache = new ModelCache({ dir, bytes: 1e9, storage });
  await expect(cache.path(file)).rejects.toMatchObject({ code: 'checksum_mismatch' });
  expect(await readdir(dir)).toEqual([]);
});

it('gives room by what was used least recently, but not what is in use, and clears what a dead process left', async () => {
  const dir = await temporaryFolder();
  const cache = new ModelCache({ dir, bytes: 10, storage });
  const files = [await stored('aaaa'), await stored('bbbb'), await stored('cccc'), await stored('dddd')];
  const [a, b, c, d] = files as [CachedFile, CachedFile, CachedFile, CachedFile];
  await age(await cache.path(a), 7200);
  await age(await cache.path(b), 3600);
  await cache.keep([a.sha256]);
  const left = join(dir, '.coming-dead');
  await mkdir(left);
  await writeFile(join(left, 'model.onnx.part'), 'aa');
  await age(left, 7200);
  await cache.path(c);
  expect((await readdir(dir)).sort()).toEqual([a.sha256, c.sha256].sort());
  // All are in use: none is taken from whoever uses it.
  await cache.path(d);
  expect(await readdir(dir)).toHaveLength(3);
});
