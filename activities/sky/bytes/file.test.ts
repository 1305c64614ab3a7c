import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fileSource } from './file.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sky-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('reads ranges, fewer bytes at the end, and tells when the file has changed', async () => {
  const path = join(folder, 'a.fits');
  await writeFile(path, 'abcdef');
  await using source = await fileSource(path);
  expect(source.size).toBe(6);
  expect(Buffer.from(await source.read(4, 10)).toString()).toBe('ef');
  expect(await source.read(6, 1)).toHaveLength(0);
  await utimes(path, 1, 1);
  await expect(source.read(0, 1)).rejects.toMatchObject({ code: 'source_changed' });
});

it('has another ETag for another file', async () => {
  await writeFile(join(folder, 'b.fits'), 'x');
  await writeFile(join(folder, 'c.fits'), 'x');
  await using one = await fileSource(join(folder, 'b.fits'));
  await using other = await fileSource(join(folder, 'c.fits'));
  expect(one.etag).not.toBe(other.etag);
});
