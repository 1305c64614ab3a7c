import { randomBytes } from 'node:crypto';
import { createStorage, type Storage } from '@darkroom/storage';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFaultProxy } from '../../../test/harness/fault-proxy.ts';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { rangeSource } from './range-source.ts';

const BLOCK = 2 << 20;
const content = randomBytes(8 * BLOCK + 1234);
const { signal } = new AbortController();
let s3: TestS3;
let storage: Storage;
let source: { uri: string; etag: string; bytes: number };
beforeAll(async () => {
  s3 = await startS3();
  storage = createStorage({ ...s3, forcePathStyle: true });
  const { uri, etag } = await storage.putBytes('a/video.bin', content, { contentType: 'video/mp4' });
  source = { uri, etag, bytes: content.length };
});
afterAll(async () => {
  storage?.close();
  await s3?.stop();
});

/** The storage, and the ranges that were asked of it. */
function watched() {
  const asked: { start: number; length: number }[] = [];
  const get: Storage['get'] = (target, options = {}) => {
    if (options.range !== undefined) asked.push(options.range);
    return storage.get(target, options);
  };
  return { asked, get };
}

describe('a range source', () => {
  it('gives the bytes of any range, and those there are at the end', async () => {
    const ranges = rangeSource(storage, source);
    expect(ranges.size).toBe(content.length);
    for (const [offset, length] of [
      [0, 10],
      [BLOCK - 5, 10],
      [100, 2 * BLOCK + 100],
      [content.length - 7, 100],
      [content.length, 10],
    ] as const)
      expect(
        content.subarray(offset, offset + length).equals(await ranges.read(offset, length, signal)),
      ).toBe(true);
  });

  it('gives the right bytes also from memory that it has used before', async () => {
    const ranges = rangeSource(storage, source);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(content.length),
        fc.integer({ min: 1, max: 7 * BLOCK }),
        async (offset, length) => {
          const read = await ranges.read(offset, length, signal);
          expect(content.subarray(offset, offset + length).equals(read)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('asks for whole blocks, each once, and for the next ahead', async () => {
    const store = watched();
    const ranges = rangeSource(store, source);
    for (let offset = 0; offset < 2 * BLOCK; offset += BLOCK / 8)
      await ranges.read(offset, BLOCK / 8, signal);
    const blocks = [0, 1, 2].map((n) => ({ start: n * BLOCK, length: BLOCK }));
    expect(store.asked).toEqual(blocks);
    await ranges.read(content.length - 1, 1, signal);
    expect(store.asked).toEqual([...blocks, { start: 8 * BLOCK, length: 1234 }]);
  });

  it('fails when the object is no longer the pinned one, and does not keep the failure', async () => {
    const { uri, etag } = await storage.putBytes('a/changing.bin', content, { contentType: 'video/mp4' });
    const ranges = rangeSource(storage, { uri, etag, bytes: content.length });
    await ranges.read(0, 10, signal);
    await storage.putBytes('a/changing.bin', randomBytes(content.length), { contentType: 'video/mp4' });
    const changed = { name: 'StorageError', code: 'source_changed' };
    await expect(ranges.read(2 * BLOCK, 10, signal)).rejects.toMatchObject(changed);
    await storage.putBytes('a/changing.bin', content, { contentType: 'video/mp4' });
    expect((await ranges.read(2 * BLOCK, 10, signal)).length).toBe(10);
  });

  it.each(['stall', 'truncate'] as const)(
    'of a store whose bodies %s for good tells an outage',
    async (kind) => {
      const proxy = await startFaultProxy(s3.endpoint);
      const timeouts = { requestTimeoutMs: 200, transferTimeoutMs: 2000, idleTimeoutMs: 200 };
      const failing = createStorage({ ...s3, ...timeouts, endpoint: proxy.endpoint, forcePathStyle: true });
      try {
        proxy.inject({ method: 'GET', times: 99, fault: { kind, afterBytes: 0 } });
        const error: unknown = await rangeSource(failing, source)
          .read(0, BLOCK, signal)
          .catch((reason: unknown) => reason);
        expect(error).toMatchObject({ name: 'StorageError', code: 'storage_unavailable' });
      } finally {
        failing.close();
        await proxy.stop();
      }
    },
  );

  it('stops when it is told to', async () => {
    const cancel = new AbortController();
    const ranges = rangeSource(storage, source);
    const reading = ranges.read(0, 2 * BLOCK, cancel.signal);
    cancel.abort(new Error('cancelled'));
    await expect(reading).rejects.toThrow();
  });
});
