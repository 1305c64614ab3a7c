import { createHash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManifestFile } from '@darkroom/contract';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import { archiveOf } from './archive.ts';

const MiB = 1024 * 1024;
let s3: TestS3;
let storage: Storage;
const files: ManifestFile[] = [];

beforeAll(async () => {
  s3 = await startS3();
  storage = createStorage({ ...s3, forcePathStyle: true });
  for (const name of ['one', 'two']) {
    const body = randomBytes(12 * MiB);
    const { uri } = await storage.putBytes(`files/${name}`, body, { contentType: 'image/jpeg' });
    const sha256 = createHash('sha256').update(body).digest('hex');
    files.push({ path: name, uri, bytes: body.length, sha256, contentType: 'image/jpeg', item: null });
  }
}, 30_000);
afterAll(async () => {
  storage.close();
  await s3.stop();
});

/** The storage, and what it opened with the bytes that were read of it. */
function watched() {
  const opened: { stream: Readable; bytes: number }[] = [];
  const get: Storage['get'] = async (...args) => {
    const got = await storage.get(...args);
    const seen = { stream: got.stream, bytes: 0 };
    const push = got.stream.push.bind(got.stream);
    got.stream.push = (chunk, encoding) => {
      seen.bytes += chunk?.length ?? 0;
      return push(chunk, encoding);
    };
    opened.push(seen);
    return got;
  };
  return { get, opened };
}

test('reads one object at a time, and no faster than the reader', async () => {
  const { get, opened } = watched();
  const chunks = archiveOf({ get }, files, new AbortController().signal);
  let size = (await chunks.next()).value?.length ?? 0;
  while (size < MiB) size += (await chunks.next()).value?.length ?? 0;
  await sleep(300);
  expect(opened).toHaveLength(1);
  expect(opened[0]?.bytes).toBeLessThan(4 * MiB);
  for await (const chunk of chunks) size += chunk.length;
  expect(size).toBeGreaterThan(24 * MiB);
  expect(opened.map(({ bytes, stream }) => [bytes, stream.destroyed])).toEqual([
    [12 * MiB, true],
    [12 * MiB, true],
  ]);
});

test('a reader that leaves, and a signal, close what is open', async () => {
  const { get, opened } = watched();
  const left = archiveOf({ get }, files, new AbortController().signal);
  await left.next();
  await left.return();
  const stop = new AbortController();
  const stopped = archiveOf({ get }, files, stop.signal);
  await stopped.next();
  stop.abort(new Error('The process stops.'));
  const rest = async () => {
    for await (const _ of stopped);
  };
  await expect(rest()).rejects.toThrow('The process stops.');
  expect(opened.map(({ stream }) => stream.destroyed)).toEqual([true, true]);
});
