import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../test/harness/fault-proxy.ts';
import { stores } from '../../test/harness/moto.ts';
import type { TestS3 } from '../../test/harness/s3.ts';
import { createStorage, type DownloadCursor, MIN_PART_BYTES, type Storage } from './index.ts';
import { alone } from './testing.ts';

const MIB = 1024 ** 2;
const binary = { contentType: 'application/octet-stream' };
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const coded = (code: string) => expect.objectContaining({ name: 'StorageError', code });

for (const { title, missing, listsChecksums, start } of stores) {
  describe.skipIf(missing !== undefined)(title, () => {
    let s3: TestS3;
    let proxy: FaultProxy;
    let storage: Storage;
    let scratch: string;

    beforeAll(async () => {
      s3 = await start();
      proxy = await startFaultProxy(s3.endpoint);
      storage = createStorage({ ...s3, endpoint: proxy.endpoint, forcePathStyle: true, maxAttempts: 1 });
      scratch = await mkdtemp(join(tmpdir(), 'darkroom-transfer-'));
    });
    beforeEach(() => proxy.clear());
    afterAll(async () => {
      storage?.close();
      await proxy?.stop();
      await s3?.stop();
      if (scratch) await rm(scratch, { recursive: true });
    });

    async function expectNothingLeft(prefix: string): Promise<void> {
      for await (const upload of storage.openUploads(prefix)) throw new Error(`${upload.uri} is still open`);
      for await (const object of storage.list(prefix)) throw new Error(`${object.uri} is visible`);
      // The server may keep parts that no listing shows.
      if (!s3.directory) return;
      const parts = join(s3.directory, s3.bucket, '.sgwtmp', 'multipart');
      const kept = await readdir(parts, { recursive: true, withFileTypes: true }).catch(() => []);
      expect(kept.filter((entry) => entry.isFile()).map((entry) => entry.name)).toEqual([]);
    }

    const partsSent = (): number => proxy.requests.filter((line) => /^PUT .*partNumber=/.test(line)).length;

    describe('uploadStream', () => {
      it.each([
        ['nothing', 0, 0],
        ['less than a part', 1000, 0],
        ['exactly a part', MIN_PART_BYTES, 0],
        ['a byte more than a part', MIN_PART_BYTES + 1, 2],
        ['three whole parts', 3 * MIN_PART_BYTES, 3],
      ])('stores %s, whatever the chunks', async (_what, size, parts) => {
        const bytes = randomBytes(size);
        const chunks = Readable.from([
          bytes.subarray(0, 7),
          bytes.subarray(7, size >> 1),
          Buffer.alloc(0),
          bytes.subarray(Math.max(7, size >> 1)),
        ]);
        const progress: number[] = [];
        const written = await storage.uploadStream('stream/x', chunks, {
          ...binary,
          maxBytes: size,
          partSize: MIN_PART_BYTES,
          onProgress: (done) => progress.push(done),
        });
        expect(written).toMatchObject({ size, sha256: sha256(bytes) });
        expect(partsSent()).toBe(parts);
        expect(progress.at(-1)).toBe(size);
        await storage.getBytes('stream/x', { maxBytes: size, sha256: written.sha256, ifMatch: written.etag });
        await storage.removePrefix('stream/', alone);
      });

      it('reads a source of 300 MiB no faster than the store takes it', async () => {
        const total = 300;
        let produced = 0;
        let stored = 0;
        let mostHeld = 0;
        const rssBefore = process.memoryUsage().rss;
        let rssPeak = 0;
        async function* source() {
          for (let index = 0; index < total; index++) {
            produced += MIB;
            mostHeld = Math.max(mostHeld, produced - stored);
            rssPeak = Math.max(rssPeak, process.memoryUsage().rss);
            yield Buffer.alloc(MIB, index);
          }
        }
        // Not through the proxy: it lives in this process and has memory of its own.
        const direct = createStorage({ ...s3, forcePathStyle: true });
        const written = await direct.uploadStream('large/x', source(), {
          ...binary,
          maxBytes: total * MIB,
          concurrency: 2,
          onProgress: (bytes) => {
            stored = bytes;
          },
        });
        expect(written.size).toBe(total * MIB);
        expect((await storage.head('large/x')).size).toBe(total * MIB);
        // Two parts on their way, one gathering, and the chunk that showed a part to be full.
        expect(mostHeld).toBeLessThanOrEqual(3 * 8 * MIB + 2 * MIB);
        expect(rssPeak - rssBefore).toBeLessThan(100 * MIB);
        direct.close();
        await storage.removePrefix('large/', alone);
      });

      it('ends at the first byte too many', async () => {
        const source = Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(MIB)));
        const upload = storage.uploadStream('limit/x', source, {
          ...binary,
          maxBytes: 20 * MIB,
          partSize: MIN_PART_BYTES,
        });
        await expect(upload).rejects.toThrow(coded('too_large'));
        expect(source.destroyed).toBe(true);
        await expectNothingLeft('limit/');
      });

      it('leaves nothing when a part fails', async () => {
        proxy.inject({
          method: 'PUT',
          path: /partNumber=2/,
          times: 1,
          fault: { kind: 'status', status: 403, code: 'AccessDenied' },
        });
        const source = Readable.from(Array.from({ length: 30 }, () => Buffer.alloc(MIB)));
        const upload = storage.uploadStream('fails/x', source, {
          ...binary,
          maxBytes: 99 * MIB,
          partSize: MIN_PART_BYTES,
        });
        await expect(upload).rejects.toThrow(coded('platform_access'));
        expect(source.destroyed).toBe(true);
        await expectNothingLeft('fails/');
      });

      it('leaves nothing when the source fails', async () => {
        async function* source() {
          for (let index = 0; index < 12; index++) yield Buffer.alloc(MIB);
          throw new Error('client went away');
        }
        const upload = storage.uploadStream('source/x', source(), {
          ...binary,
          maxBytes: 99 * MIB,
          partSize: MIN_PART_BYTES,
        });
        await expect(upload).rejects.toThrow('client went away');
        await expectNothingLeft('source/');
      });

      it('ends at once when it is aborted while its source is silent', async () => {
        const controller = new AbortController();
        const source = new Readable({ read() {} });
        source.push(Buffer.alloc(12 * MIB));
        const upload = storage.uploadStream('abort/x', source, {
          ...binary,
          maxBytes: 99 * MIB,
          partSize: MIN_PART_BYTES,
          signal: controller.signal,
          onProgress: () => controller.abort(new Error('cancelled')),
        });
        await expect(upload).rejects.toThrow('cancelled');
        expect(source.destroyed).toBe(true);
        await expectNothingLeft('abort/');
      });

      it('leaves nothing whenever it is aborted', async () => {
        async function* source() {
          for (let index = 0; index < 100; index++) yield Buffer.alloc(MIB);
        }
        for (let delay = 0; delay < 160; delay += 20) {
          const signal = AbortSignal.timeout(delay);
          const upload = storage.uploadStream('moments/x', source(), {
            ...binary,
            maxBytes: 99 * MIB,
            signal,
          });
          await expect(upload).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }));
          await expectNothingLeft('moments/');
        }
      });

      it('shows nothing when the fence says no', async () => {
        for (const size of [10, 12 * MIB]) {
          const beforePublish = async (): Promise<void> => {
            throw new Error('fenced');
          };
          const upload = storage.uploadStream('fence/x', Readable.from([Buffer.alloc(size)]), {
            ...binary,
            maxBytes: size,
            beforePublish,
          });
          await expect(upload).rejects.toThrow('fenced');
          await expectNothingLeft('fence/');
        }
      });
    });

    describe('uploadFile', () => {
      it('goes on where an earlier attempt ended', async () => {
        const bytes = randomBytes(5 * MIN_PART_BYTES + 123);
        const path = join(scratch, 'up.bin');
        await writeFile(path, bytes);
        const options = { ...binary, partSize: MIN_PART_BYTES, concurrency: 1 };
        proxy.inject({ method: 'PUT', path: /partNumber=4/, times: 1, fault: { kind: 'reset' } });
        let uploadId = '';
        const first = storage.uploadFile('file/x', path, {
          ...options,
          keepPartial: true,
          onUploadId: (id) => {
            uploadId = id;
          },
        });
        await expect(first).rejects.toThrow(coded('storage_unavailable'));
        proxy.clear();
        const written = await storage.uploadFile('file/x', path, { ...options, resume: { uploadId } });
        expect(partsSent()).toBe(listsChecksums ? 3 : 6);
        expect(written).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
        await storage.getBytes('file/x', { maxBytes: bytes.length, sha256: written.sha256 });
        // The upload is done: an attempt that resumes it again starts anew.
        expect(await storage.uploadFile('file/x', path, { ...options, resume: { uploadId } })).toEqual(
          written,
        );
      });

      it('sends parts again whose bytes are others by now', async () => {
        const bytes = randomBytes(2 * MIN_PART_BYTES);
        const path = join(scratch, 'edited.bin');
        await writeFile(path, bytes);
        const options = { ...binary, partSize: MIN_PART_BYTES, concurrency: 1 };
        proxy.inject({ method: 'PUT', path: /partNumber=2/, times: 1, fault: { kind: 'reset' } });
        let uploadId = '';
        const onUploadId = (id: string): void => {
          uploadId = id;
        };
        await expect(
          storage.uploadFile('edited/x', path, { ...options, keepPartial: true, onUploadId }),
        ).rejects.toThrow();
        bytes[0] = (bytes[0] ?? 0) ^ 1;
        await writeFile(path, bytes);
        await storage.uploadFile('edited/x', path, { ...options, resume: { uploadId } });
        await storage.getBytes('edited/x', { maxBytes: bytes.length, sha256: sha256(bytes) });
      });

      it('leaves nothing when it fails, or when the file changes meanwhile', async () => {
        const path = join(scratch, 'fails.bin');
        await writeFile(path, randomBytes(3 * MIN_PART_BYTES));
        const options = { ...binary, partSize: MIN_PART_BYTES, concurrency: 1 };
        proxy.inject({ method: 'PUT', path: /partNumber=3/, times: 1, fault: { kind: 'reset' } });
        await expect(storage.uploadFile('gone/x', path, options)).rejects.toThrow(
          coded('storage_unavailable'),
        );
        let cut = false;
        const onProgress = (): void => {
          if (!cut) void truncate(path, 100);
          cut = true;
        };
        await expect(storage.uploadFile('gone/x', path, { ...options, onProgress })).rejects.toThrow(
          coded('source_changed'),
        );
        await expectNothingLeft('gone/');
      });

      it('takes small and empty files in one request', async () => {
        const path = join(scratch, 'small.bin');
        for (const size of [0, 10]) {
          await writeFile(path, Buffer.alloc(size, 1));
          expect((await storage.uploadFile('small/x', path, binary)).size).toBe(size);
          expect((await storage.head('small/x')).size).toBe(size);
        }
      });
    });

    describe('downloadToFile', () => {
      const bytes = randomBytes(5 * MIB + 321);
      const digest = sha256(bytes);
      const gets = (): number => proxy.requests.filter((line) => line.startsWith('GET ')).length;

      beforeAll(async () => {
        await storage.putBytes('down/x', bytes, binary);
        await storage.putBytes('down/empty', Buffer.alloc(0), binary);
      });

      it('brings an object in parts, side by side', async () => {
        const directory = await mkdtemp(join(scratch, 'down-'));
        const path = join(directory, 'x');
        let seen = 0;
        const onProgress = (done: number): void => {
          expect(done).toBeGreaterThanOrEqual(seen);
          seen = done;
        };
        const info = await storage.downloadToFile('down/x', path, {
          partSize: MIB,
          sha256: digest,
          onProgress,
        });
        expect(info.size).toBe(bytes.length);
        expect(seen).toBe(bytes.length);
        expect(gets()).toBe(6);
        expect((await readFile(path)).equals(bytes)).toBe(true);
        await storage.downloadToFile('down/empty', join(directory, 'empty'), {});
        expect((await readdir(directory)).sort()).toEqual(['empty', 'x']);
      });

      it('goes on where an earlier attempt ended', async () => {
        const directory = await mkdtemp(join(scratch, 'down-'));
        const path = join(directory, 'x');
        let cursor: DownloadCursor | undefined;
        const controller = new AbortController();
        const first = storage.downloadToFile('down/x', path, {
          partSize: MIB,
          concurrency: 1,
          keepPartial: true,
          signal: controller.signal,
          onProgress: (_done, now) => {
            cursor = structuredClone(now);
            if (now.done.length === 4) controller.abort(new Error('shutdown'));
          },
        });
        await expect(first).rejects.toThrow('shutdown');
        expect(await readdir(directory)).toEqual(['x.part']);
        proxy.clear();
        await storage.downloadToFile('down/x', path, { sha256: digest, resume: cursor });
        expect(gets()).toBe(2);
        expect((await readFile(path)).equals(bytes)).toBe(true);
      });

      it('starts anew when the partial file or the object is another one', async () => {
        const directory = await mkdtemp(join(scratch, 'down-'));
        const path = join(directory, 'x');
        const { etag, size } = await storage.head('down/x');
        const resume = { etag, size, partSize: MIB, done: [0, 1, 2] };
        await storage.downloadToFile('down/x', path, { sha256: digest, resume });
        await writeFile(`${path}.part`, Buffer.alloc(size));
        await storage.downloadToFile('down/x', path, {
          sha256: digest,
          resume: { ...resume, etag: 'other' },
        });
      });

      it('leaves nothing on abort, wrong digest, change, or a directory that is not there', async () => {
        const directory = await mkdtemp(join(scratch, 'down-'));
        const path = join(directory, 'x');
        const controller = new AbortController();
        const abort = (): void => controller.abort(new Error('cancelled'));
        const aborted = storage.downloadToFile('down/x', path, {
          partSize: MIB,
          signal: controller.signal,
          onProgress: abort,
        });
        await expect(aborted).rejects.toThrow('cancelled');
        const wrong = storage.downloadToFile('down/x', path, { sha256: '00'.repeat(32) });
        await expect(wrong).rejects.toThrow(coded('checksum_mismatch'));
        await expect(storage.downloadToFile('down/x', path, { ifMatch: 'x' })).rejects.toThrow(
          coded('source_changed'),
        );
        expect(await readdir(directory)).toEqual([]);
        await expect(storage.downloadToFile('down/x', join(directory, 'no', 'x'))).rejects.toThrow('ENOENT');
      });

      it('notices an object that is replaced meanwhile', async () => {
        await storage.putBytes('down/replaced', randomBytes(3 * MIB), binary);
        let replaced: Promise<unknown> | undefined;
        const path = join(scratch, 'replaced');
        const download = storage.downloadToFile('down/replaced', path, {
          partSize: MIB,
          concurrency: 1,
          onProgress: () => {
            replaced ??= storage.putBytes('down/replaced', randomBytes(3 * MIB), binary);
          },
        });
        await expect(download).rejects.toThrow(coded('source_changed'));
        await replaced;
        expect(await readdir(scratch)).not.toContain('replaced');
      });
    });
  });
}
