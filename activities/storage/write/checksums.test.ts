/**
 * What S3 as AWS has it asks of a multipart upload, read from what goes over the wire. The rules are those of the API reference:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html (x-amz-checksum-algorithm, -type),
 * API_UploadPart.html (the part's checksum is of the announced algorithm), API_CompleteMultipartUpload.html and
 * API_CompletedPart.html (a composite upload is completed with the checksum of each part).
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, type SeenRequest, startFaultProxy } from '../../../test/harness/fault-proxy.ts';
import { stores } from '../../../test/harness/moto.ts';
import type { TestS3 } from '../../../test/harness/s3.ts';
import { createStorage, MIN_PART_BYTES, type Storage } from '../index.ts';

const binary = { contentType: 'application/octet-stream', partSize: MIN_PART_BYTES };
const bytes = randomBytes(2 * MIN_PART_BYTES + 17);
const parts = [0, 1, 2].map((index) => bytes.subarray(index * MIN_PART_BYTES, (index + 1) * MIN_PART_BYTES));

/** CRC32 as S3 writes it: big-endian, base64. */
function crcOf(part: Buffer): string {
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32(part));
  return digest.toString('base64');
}

for (const { title, missing, listsChecksums, start } of stores) {
  describe.skipIf(missing !== undefined)(title, () => {
    let s3: TestS3;
    let proxy: FaultProxy;
    let storage: Storage;
    let scratch: string;

    beforeAll(async () => {
      s3 = await start();
      proxy = await startFaultProxy(s3.endpoint);
      storage = createStorage({ ...s3, endpoint: proxy.endpoint, forcePathStyle: true });
      scratch = await mkdtemp(join(tmpdir(), 'darkroom-checksums-'));
    });
    beforeEach(() => proxy.clear());
    afterAll(async () => {
      storage?.close();
      await proxy?.stop();
      await s3?.stop();
      if (scratch) await rm(scratch, { recursive: true });
    });

    const checksumHeaders = ({ headers }: SeenRequest) =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => /checksum|trailer/.test(name)));
    const created = () =>
      proxy.seen.filter(({ method, url }) => method === 'POST' && /[?&]uploads/.test(url));
    const sent = () => proxy.seen.filter(({ method, url }) => method === 'PUT' && /partNumber=/.test(url));
    const completed = () =>
      proxy.seen.filter(({ method, url }) => method === 'POST' && /uploadId=/.test(url));

    /** One upload of three parts went over the wire with its CRC32 announced, sent and given again. */
    function expectAnnounced(partsSent: readonly number[] = [1, 2, 3]): void {
      expect(created().map(checksumHeaders)).toEqual([
        { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'COMPOSITE' },
      ]);
      expectSent(partsSent);
    }

    function expectSent(numbers: readonly number[]): void {
      const byNumber = sent().map((request) => ({
        number: Number(new URLSearchParams(request.url.split('?')[1]).get('partNumber')),
        crc: request.headers['x-amz-checksum-crc32'],
        trailer: request.headers['x-amz-trailer'],
      }));
      expect(byNumber.sort((a, b) => a.number - b.number)).toEqual(
        numbers.map((number) => ({
          number,
          crc: crcOf(parts[number - 1] ?? Buffer.alloc(0)),
          trailer: undefined,
        })),
      );
      const [completion] = completed();
      const given = [...(completion?.body ?? '').matchAll(/<ChecksumCRC32>([^<]*)<\/ChecksumCRC32>/g)];
      expect(given.map(([, crc]) => crc)).toEqual(parts.map(crcOf));
      expect(completion?.headers['x-amz-checksum-type']).toBe('COMPOSITE');
    }

    /** No checksum was announced, so that AWS takes parts without one, and refuses parts with one. */
    function expectUnannounced(): void {
      for (const request of [...created(), ...sent(), ...completed()]) {
        const { 'x-amz-sdk-checksum-algorithm': _unused, ...headers } = checksumHeaders(request);
        expect(headers).toEqual({});
        expect(request.body).not.toContain('Checksum');
      }
      expect([created().length, completed().length]).toEqual([1, 1]);
    }

    describe('an upload of its own', () => {
      it('from a stream announces CRC32, sends it with each part and completes with it', async () => {
        await storage.uploadStream('stream', Readable.from(parts), { ...binary, maxBytes: bytes.length });
        expectAnnounced();
      });

      it('from a file does so too, also when it is resumed', async () => {
        const path = join(scratch, 'file');
        await writeFile(path, bytes);
        let uploadId = '';
        const interrupted = storage.uploadFile('file', path, {
          ...binary,
          concurrency: 1,
          keepPartial: true,
          onUploadId: (id) => {
            uploadId = id;
          },
          onProgress: (done) => {
            if (done > MIN_PART_BYTES) throw new Error('interrupted');
          },
        });
        await expect(interrupted).rejects.toThrow('interrupted');
        expect(created().map(checksumHeaders)).toEqual([
          { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'COMPOSITE' },
        ]);
        proxy.clear();
        await storage.uploadFile('file', path, { ...binary, resume: { uploadId } });
        expectSent(listsChecksums ? [3] : [1, 2, 3]);
      });

      it('begun without an announcement is begun anew', async () => {
        const path = join(scratch, 'plain');
        await writeFile(path, bytes);
        const { uploadId } = await storage.beginDirectUpload('plain/x', {
          ...binary,
          size: bytes.length,
          maxBytes: bytes.length,
        });
        proxy.clear();
        await storage.uploadFile('plain/x', path, { ...binary, resume: { uploadId } });
        expectAnnounced();
        for await (const { uri } of storage.openUploads('plain/')) throw new Error(`${uri} is still open`);
      });
    });

    it('a copy in parts, whose bytes the store reads itself, announces none', async () => {
      await storage.putBytes('whole', bytes, binary);
      proxy.clear();
      await storage.copy('whole', 'copied', { singleCopyBytes: 1, partSize: MIN_PART_BYTES });
      expectUnannounced();
      expect((await storage.getBytes('copied', { maxBytes: bytes.length })).equals(bytes)).toBe(true);
    });

    it('an upload by links announces none, and its links ask for none', async () => {
      const size = bytes.length;
      const upload = await storage.beginDirectUpload('direct', { ...binary, size, maxBytes: size });
      for (const { number, url } of await storage.partLinks(upload, [1, 2, 3], { expiresInSeconds: 60 })) {
        expect(url).not.toMatch(/checksum/i);
        const part = parts[number - 1] ?? Buffer.alloc(0);
        expect((await fetch(url, { method: 'PUT', body: new Uint8Array(part) })).status).toBe(200);
      }
      await storage.completeDirectUpload(upload);
      expectUnannounced();
    });
  });
}
