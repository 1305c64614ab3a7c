import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { type FilePages, layoutOf, segmentsOf } from './layout.ts';
import { chunksOf } from './read.ts';

const at = new Date('2026-03-04T05:06:08Z');

let s3: TestS3;
let storage: Storage;
beforeAll(async () => {
  s3 = await startS3();
  storage = createStorage({ ...s3, forcePathStyle: true });
}, 60_000);
afterAll(async () => {
  storage?.close();
  await s3?.stop();
});

test('what is read of a file holds on to nothing that outlives it, however many files an archive has', async () => {
  const bytes = 1024;
  const count = 2500;
  const { uri, sha256 } = await storage.putBytes('files/small', randomBytes(bytes), {
    contentType: 'image/jpeg',
  });
  const files: FilePages<number> = {
    page: async (after = 0, limit) => {
      const to = Math.min(after + limit, count);
      const page = Array.from({ length: to - after }, (_, i) => ({
        path: `${after + i}`,
        uri,
        bytes,
        sha256,
        crc32: 1,
      }));
      return { files: page, next: to < count ? to : undefined };
    },
  };
  const layout = await layoutOf(files, at);
  const { signal } = new AbortController();
  // What depends on a signal that lasts is known to it by weak references, which a full collection alone frees.
  const dependent = vi.spyOn(AbortSignal, 'any');
  let listeners = 0;
  for await (const _ of chunksOf(segmentsOf(layout, files, 0, layout.size), storage, signal))
    listeners = Math.max(listeners, getEventListeners(signal, 'abort').length);
  expect(dependent.mock.calls.length).toBeLessThan(10);
  expect(listeners).toBeLessThan(10);
}, 60_000);
