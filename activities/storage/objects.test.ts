import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stores } from '../../test/harness/moto.ts';
import type { TestS3 } from '../../test/harness/s3.ts';
import { createStorage, MIN_PART_BYTES, partSizeFor, type Storage } from './index.ts';
import { alone } from './testing.ts';

for (const { title, missing, keysAreFiles, checksSignatures, start } of stores) {
  describe.skipIf(missing !== undefined)(title, () => {
    let s3: TestS3;
    let storage: Storage;
    const text = { contentType: 'text/plain' };
    const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    const coded = (code: string) => expect.objectContaining({ name: 'StorageError', code });

    async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
      const all: T[] = [];
      for await (const item of items) all.push(item);
      return all;
    }

    beforeAll(async () => {
      s3 = await start();
      storage = createStorage({ ...s3, forcePathStyle: true });
    });
    afterAll(async () => {
      storage?.close();
      await s3?.stop();
    });

    describe('one object', () => {
      it('comes back as it was put', async () => {
        const bytes = randomBytes(100_000);
        const written = await storage.putBytes('one/ä b+%.txt', bytes, { ...text, sha256: sha256(bytes) });
        expect(written).toMatchObject({
          uri: `s3://${s3.bucket}/one/ä b+%.txt`,
          size: 100_000,
          sha256: sha256(bytes),
        });
        const info = await storage.head(written.uri);
        expect(info).toMatchObject({
          uri: written.uri,
          size: 100_000,
          etag: written.etag,
          contentType: 'text/plain',
        });
        expect(Math.abs(Date.now() - info.lastModified.getTime())).toBeLessThan(60_000);
        const back = await storage.getBytes(written.uri, {
          maxBytes: 100_000,
          ifMatch: written.etag,
          sha256: sha256(bytes),
        });
        expect(back.equals(bytes)).toBe(true);
      });

      it('may be empty', async () => {
        await storage.putBytes('one/empty', Buffer.alloc(0), text);
        expect(await storage.getBytes('one/empty', { maxBytes: 0 })).toHaveLength(0);
      });

      it('is read by range', async () => {
        await storage.putBytes('one/range', Buffer.from('0123456789'), text);
        const read = async (start: number, length: number) => {
          const { stream, ...info } = await storage.get('one/range', { range: { start, length } });
          return {
            text: Buffer.concat(await stream.toArray()).toString(),
            size: info.size,
            length: info.length,
          };
        };
        expect(await read(2, 3)).toEqual({ text: '234', size: 10, length: 3 });
        expect(await read(8, 50)).toEqual({ text: '89', size: 10, length: 2 });
      });

      it('is pinned by its ETag', async () => {
        const { etag } = await storage.putBytes('one/pinned', Buffer.from('a'), text);
        await storage.putBytes('one/pinned', Buffer.from('b'), text);
        await expect(storage.head('one/pinned', { ifMatch: etag })).rejects.toThrow(coded('source_changed'));
        await expect(storage.getBytes('one/pinned', { ifMatch: etag, maxBytes: 9 })).rejects.toThrow(
          coded('source_changed'),
        );
        await expect(storage.copy('one/pinned', 'one/x', { ifMatch: etag })).rejects.toThrow(
          coded('source_changed'),
        );
      });

      it('is created once only, when asked so', async () => {
        await storage.putBytes('one/once', Buffer.from('a'), { ...text, ifNoneMatch: '*' });
        const again = storage.putBytes('one/once', Buffer.from('b'), { ...text, ifNoneMatch: '*' });
        await expect(again).rejects.toThrow(coded('already_exists'));
        expect((await storage.getBytes('one/once', { maxBytes: 9 })).toString()).toBe('a');
      });

      it('that is wrong says so', async () => {
        await storage.putBytes('one/small', Buffer.from('abc'), text);
        const wrong = { ...text, sha256: sha256(Buffer.from('other')) };
        await expect(storage.head('one/none')).rejects.toThrow(coded('source_not_found'));
        await expect(storage.get('s3://no-such-bucket/x')).rejects.toThrow(coded('source_not_found'));
        await expect(storage.getBytes('one/small', { maxBytes: 2 })).rejects.toThrow(coded('too_large'));
        await expect(storage.getBytes('one/small', { maxBytes: 9, sha256: wrong.sha256 })).rejects.toThrow(
          coded('checksum_mismatch'),
        );
        await expect(storage.putBytes('one/small', Buffer.from('x'), wrong)).rejects.toThrow(
          coded('checksum_mismatch'),
        );
        if (!keysAreFiles) return;
        await expect(storage.putBytes('one/small/below', Buffer.from('x'), text)).rejects.toThrow(
          coded('storage_refused'),
        );
      });

      it('is copied in the store, in one piece and in parts', async () => {
        const bytes = randomBytes(MIN_PART_BYTES * 2 + 17);
        const { uri } = await storage.putBytes('copy/from ü.bin', bytes, { contentType: 'image/tiff' });
        await storage.copy(uri, 'copy/whole');
        const parts = await storage.copy(uri, 'copy/parts', {
          singleCopyBytes: 1000,
          partSize: MIN_PART_BYTES,
        });
        expect(parts).toMatchObject({ size: bytes.length, etag: expect.stringMatching(/-3$/) });
        for (const key of ['copy/whole', 'copy/parts']) {
          const options = { maxBytes: bytes.length, sha256: sha256(bytes) };
          expect(await storage.getBytes(key, options)).toHaveLength(bytes.length);
          expect((await storage.head(key)).contentType).toBe('image/tiff');
        }
      });

      it('is copied with a type and metadata of its own, unless it is held back before it is seen', async () => {
        const bytes = randomBytes(MIN_PART_BYTES + 17);
        const { uri } = await storage.putBytes('copy/plain', bytes, text);
        const given = { contentType: 'image/tiff', metadata: { sha256: sha256(bytes) } };
        const inParts = { singleCopyBytes: 1000, partSize: MIN_PART_BYTES };
        for (const how of [{}, inParts]) {
          const held = async () => Promise.reject(new Error('held back'));
          const holding = storage.copy(uri, 'copy/told', { ...given, ...how, beforePublish: held });
          await expect(holding).rejects.toThrow('held back');
          await expect(storage.head('copy/told')).rejects.toThrow(coded('source_not_found'));
          expect(await collect(storage.openUploads('copy/'))).toEqual([]);
          await storage.copy(uri, 'copy/told', { ...given, ...how });
          expect(await storage.head('copy/told')).toMatchObject({ ...given, size: bytes.length });
          await storage.remove(['copy/told'], alone);
        }
        expect(await storage.head(uri)).not.toHaveProperty('metadata');
      });
    });

    describe('many objects', () => {
      it('are listed page by page, and removed with what is open under their prefix', async () => {
        const put = async (index: number) => storage.putBytes(`many/a/${index}`, Buffer.from('x'), text);
        for (let at = 0; at < 1050; at += 50)
          await Promise.all(Array.from({ length: 50 }, (_, index) => put(at + index)));
        await storage.putBytes('manyother/1', Buffer.from('x'), text);
        const upload = await storage.beginDirectUpload('many/b/open', { size: 10, maxBytes: 10, ...text });
        const keys = (await collect(storage.list('many/'))).map((object) => object.key);
        expect(new Set(keys).size).toBe(1050);
        expect(await collect(storage.list('many/', { max: 7 }))).toHaveLength(7);
        expect(await collect(storage.openUploads('many/'))).toMatchObject([
          { uri: upload.uri, uploadId: upload.uploadId },
        ]);
        expect(await collect(storage.openUploads('many/', { olderThan: new Date(0) }))).toEqual([]);

        expect(await storage.removePrefix('many/', alone)).toEqual({ objects: 1050, uploads: 1 });
        expect(await storage.removePrefix('many/', alone)).toEqual({ objects: 0, uploads: 0 });
        expect(await collect(storage.list('many/'))).toEqual([]);
        expect(await collect(storage.openUploads('many/'))).toEqual([]);
        expect(await collect(storage.list('manyother/'))).toHaveLength(1);
        if (s3.directory) expect(existsSync(join(s3.directory, s3.bucket, 'many'))).toBe(false);
      });

      it('are removed only while whoever removes them is asked and still may', async () => {
        for (let at = 0; at < 1002; at += 167) {
          await Promise.all(
            Array.from({ length: 167 }, (_, n) => storage.putBytes(`held/${at + n}`, Buffer.from('x'), text)),
          );
        }
        const lost = new Error('somebody else has taken over');
        let asked = 0;
        const assertHeld = async (): Promise<void> => {
          if (++asked === 2) throw lost;
        };
        await expect(storage.removePrefix('held/', { assertHeld })).rejects.toBe(lost);
        expect(asked).toBe(2);
        expect(await collect(storage.list('held/'))).toHaveLength(2);
        const refuse = async (): Promise<void> => {
          throw lost;
        };
        const { uploadId } = await storage.beginDirectUpload('held/open', {
          size: 10,
          maxBytes: 10,
          ...text,
        });
        await expect(storage.removePrefix('held/', { assertHeld: refuse })).rejects.toBe(lost);
        await expect(storage.remove(['held/0', 'held/1001'], { assertHeld: refuse })).rejects.toBe(lost);
        expect(await collect(storage.openUploads('held/'))).toMatchObject([{ uploadId }]);
        expect(await collect(storage.list('held/'))).toHaveLength(2);
        expect(await storage.removePrefix('held/', alone)).toEqual({
          objects: 2,
          uploads: 1,
        });
      });

      it('are removed by a few requests at a time, however many remove and however much', async () => {
        const goOn = Promise.withResolvers<void>();
        let [held, asked] = [0, 0];
        const assertHeld = async (): Promise<void> => {
          held++;
          asked++;
          await goOn.promise;
          held--;
        };
        const none = (of: number) => Array.from({ length: 2500 }, (_, n) => `none/${of}/${n}`);
        const removals = Promise.all([1, 2, 3].map((of) => storage.remove(none(of), { assertHeld })));
        while (held < 3) await storage.ping();
        for (let more = 0; more < 5; more++) await storage.ping();
        expect(held).toBe(3);
        goOn.resolve();
        await removals;
        expect(asked).toBe(9);
      });

      it('that wait for others to be removed let go when they are told to', async () => {
        const goOn = Promise.withResolvers<void>();
        let held = 0;
        const waits = async (): Promise<void> => {
          held++;
          await goOn.promise;
        };
        const first = storage.remove(
          Array.from({ length: 3000 }, (_, n) => `none/${n}`),
          { assertHeld: waits },
        );
        while (held < 3) await storage.ping();
        const stop = new AbortController();
        let asked = 0;
        const assertHeld = async () => void asked++;
        const second = storage.remove(['none/x'], { assertHeld, signal: stop.signal });
        const refused = expect(second).rejects.toThrow('enough');
        stop.abort(new Error('enough'));
        await refused;
        expect(asked).toBe(0);
        goOn.resolve();
        await first;
        await storage.remove(['none/x'], { assertHeld });
        expect(asked).toBe(1);
      });

      it('are not removed by a prefix that says too much', async () => {
        await storage.putBytes('kept/1', Buffer.from('x'), text);
        for (const prefix of ['', '/', `s3://${s3.bucket}/`, 'kept', '../', 'kept//']) {
          await expect(storage.removePrefix(prefix, alone)).rejects.toThrow(coded('invalid_uri'));
        }
        expect((await storage.head('kept/1')).size).toBe(1);
      });

      it('are removed by name, whether they exist or not', async () => {
        await storage.putBytes('named/1', Buffer.from('x'), text);
        await storage.remove(['named/1', `s3://${s3.bucket}/named/2`], alone);
        await expect(storage.head('named/1')).rejects.toThrow(coded('source_not_found'));
        if (s3.directory) expect(readdirSync(join(s3.directory, s3.bucket))).not.toContain('named');
      });
    });

    describe('links', () => {
      it('give one object under the name wished for', async () => {
        const { uri } = await storage.putBytes('links/1', Buffer.from('picture'), text);
        const url = await storage.linkTo(uri, {
          expiresInSeconds: 60,
          filename: 'Übersicht "1".jpg',
          contentType: 'image/jpeg',
        });
        const answer = await fetch(url);
        expect(await answer.text()).toBe('picture');
        expect(answer.headers.get('content-type')).toBe('image/jpeg');
        expect(answer.headers.get('content-disposition')).toContain(
          "filename*=UTF-8''%C3%9Cbersicht%20%221%22.jpg",
        );
        expect((await fetch(url.replace('/links/1', '/links/2'))).status).toBe(403);
        await expect(storage.linkTo(uri, { expiresInSeconds: 8 * 24 * 3600 })).rejects.toThrow(RangeError);
      });

      it('carry the public address', async () => {
        const other = createStorage({
          ...s3,
          publicEndpoint: 'https://files.example.org',
          forcePathStyle: true,
        });
        expect(await other.linkTo('a', { expiresInSeconds: 60 })).toMatch(
          /^https:\/\/files\.example\.org\/darkroom-test\/a\?/,
        );
        other.close();
      });

      it('let a client upload in parts by itself', async () => {
        const bytes = randomBytes(MIN_PART_BYTES + 1000);
        const upload = await storage.beginDirectUpload('links/up', {
          size: bytes.length,
          maxBytes: bytes.length,
          partSize: MIN_PART_BYTES,
          contentType: 'image/png',
        });
        expect(upload.partCount).toBe(2);
        const links = await storage.partLinks(upload, [1, 2], { expiresInSeconds: 60 });
        const send = async (number: number, body: Buffer) => {
          const url = links[number - 1]?.url ?? '';
          return (await fetch(url, { method: 'PUT', body: new Uint8Array(body) })).status;
        };
        expect(await send(1, bytes.subarray(0, MIN_PART_BYTES))).toBe(200);
        // The length is signed; it is looked at again when the upload is completed.
        expect(await send(2, bytes.subarray(MIN_PART_BYTES, -1))).toBe(checksSignatures ? 403 : 200);
        expect(await storage.missingParts(upload)).toEqual([2]);
        await expect(storage.completeDirectUpload(upload)).rejects.toThrow(coded('storage_refused'));
        expect(await send(2, bytes.subarray(MIN_PART_BYTES))).toBe(200);
        expect(await storage.completeDirectUpload(upload)).toMatchObject({
          uri: upload.uri,
          size: bytes.length,
        });
        await storage.getBytes(upload.uri, { maxBytes: bytes.length, sha256: sha256(bytes) });
        expect((await storage.head(upload.uri)).contentType).toBe('image/png');
      });

      it('lead nowhere once the upload is aborted', async () => {
        const upload = await storage.beginDirectUpload('links/gone', { size: 3, maxBytes: 3, ...text });
        const [link] = await storage.partLinks(upload, [1], { expiresInSeconds: 60 });
        await storage.abortDirectUpload(upload);
        await storage.abortDirectUpload(upload);
        expect((await fetch(link?.url ?? '', { method: 'PUT', body: 'abc' })).ok).toBe(false);
        await expect(storage.beginDirectUpload('links/x', { size: 4, maxBytes: 3, ...text })).rejects.toThrow(
          coded('too_large'),
        );
      });
    });

    describe('part sizes', () => {
      it('hold any object S3 can hold, within its limits', () => {
        const MIB = 1024 ** 2;
        expect(partSizeFor(1)).toBe(8 * MIB);
        expect(partSizeFor(1, 1)).toBe(MIN_PART_BYTES);
        expect(partSizeFor(100_000 * MIB)).toBe(10 * MIB);
        expect(Math.ceil((5 * 1024 ** 4) / partSizeFor(5 * 1024 ** 4))).toBeLessThanOrEqual(10_000);
        expect(() => partSizeFor(10_001 * 5 * 1024 * MIB)).toThrow(coded('too_large'));
      });
    });

    describe('health', () => {
      it('tells a store that serves from one that does not', async () => {
        expect(await storage.ping()).toBeLessThan(2_000);
        const port = new URL(s3.endpoint).port;
        const dead = createStorage({
          ...s3,
          endpoint: s3.endpoint.replace(port, '1'),
          forcePathStyle: true,
          maxAttempts: 1,
        });
        await expect(dead.ping()).rejects.toThrow(coded('storage_unavailable'));
        dead.close();
      });

      it('makes the bucket, and is content when it is there', async () => {
        const fresh = createStorage({ ...s3, bucket: 'fresh-bucket', forcePathStyle: true });
        await expect(fresh.ping()).rejects.toThrow(coded('source_not_found'));
        await Promise.all([fresh.ensureBucket(), fresh.ensureBucket()]);
        await fresh.ensureBucket();
        expect(await fresh.ping()).toBeLessThan(2_000);
        fresh.close();
      });
    });
  });
}
