import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Part } from '../multipart.ts';
import { digestOnly, type Incoming, takePhotos } from './analysis-photos.ts';

const jpeg = (length: number): Buffer =>
  Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(length)]);
const mp4 = Buffer.from('\0\0\0\x20ftypisom\0\0\x02\0isomiso2', 'latin1');
const heic = Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1');

function file(name: string, filename: string, bytes: Uint8Array, chunk = 1000): Part {
  async function* content() {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
  }
  return { kind: 'file', name, filename, content: content() };
}
const field = (name: string, value: string): Part => ({ kind: 'field', name, value });

async function* stream(parts: Part[]) {
  yield* parts;
}
const take = (parts: Part[], uploadBytes = 10_000) => takePhotos(stream(parts), { uploadBytes }, digestOnly);

describe('takePhotos', () => {
  it('hands on every byte of each photo, the first ones looked at included', async () => {
    const seen: (Omit<Incoming, 'content'> & { bytes: Buffer })[] = [];
    const bytes = jpeg(9000);
    const parts = [file('files', 'a.jpg', bytes, 7), file('files', 'b.png', bytes), field('labels', 'cat')];
    const { options, photos } = await takePhotos(stream(parts), { uploadBytes: 10_000 }, async (photo) => {
      const { content, ...rest } = photo;
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) chunks.push(chunk);
      seen.push({ ...rest, bytes: Buffer.concat(chunks) });
      return { sha256: 'x' };
    });
    expect(options.labels).toEqual(['cat']);
    expect(photos.map(({ filename }) => filename)).toEqual(['a.jpg', 'b.png']);
    expect(seen).toEqual([
      { segmentId: 1, filename: 'a.jpg', field: 'files', contentType: 'image/jpeg', bytes },
      { segmentId: 2, filename: 'b.png', field: 'files', contentType: 'image/jpeg', bytes },
    ]);
  });

  it('hashes what is not to be kept', async () => {
    const bytes = jpeg(5000);
    const { photos } = await take([file('file', 'a', bytes)]);
    expect(photos[0]?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('makes names safe', async () => {
    const names = ['../../etc/passwd', 'C:\\photos\\cat.jpg', '\0\u202egpj.exe', '...', '', 'ü'.repeat(4000)];
    const { photos } = await take(names.map((name) => file('files', name, jpeg(9))));
    const safe = photos.map(({ filename }) => filename);
    expect(safe.slice(0, 5)).toEqual(['passwd', 'cat.jpg', 'gpj.exe', 'file', 'file']);
    expect(Buffer.byteLength(safe[5] ?? '')).toBeLessThanOrEqual(200);
  });

  it.each<{ what: string; parts: Part[]; code: string }>([
    { what: 'no photo', parts: [field('model', 'default')], code: 'validation_failed' },
    { what: 'a photo as text', parts: [field('file', 'x')], code: 'validation_failed' },
    { what: 'another field', parts: [file('photo', 'a', jpeg(9))], code: 'validation_failed' },
    {
      what: 'two of file',
      parts: [file('file', 'a', jpeg(9)), file('file', 'b', jpeg(9))],
      code: 'validation_failed',
    },
    {
      what: 'file beside files',
      parts: [file('files', 'a', jpeg(9)), file('file', 'b', jpeg(9))],
      code: 'validation_failed',
    },
    { what: 'no bytes', parts: [file('file', 'a.jpg', Buffer.alloc(0))], code: 'empty_file' },
    { what: 'text', parts: [file('file', 'a.jpg', Buffer.from('hello'))], code: 'unsupported_media' },
    { what: 'PDF', parts: [file('file', 'a.jpg', Buffer.from('%PDF-1.7'))], code: 'unsupported_media' },
    { what: 'noise', parts: [file('file', 'a.jpg', Buffer.from([1, 2, 0, 9]))], code: 'unsupported_media' },
    { what: 'a video', parts: [file('file', 'a.jpg', mp4)], code: 'video_unsupported' },
    { what: 'HEIC', parts: [file('file', 'a.jpg', heic)], code: 'heic_unsupported' },
    { what: 'one byte too many', parts: [file('file', 'a', jpeg(9997))], code: 'too_large' },
  ])('refuses $what', async ({ parts, code }) => {
    await expect(take(parts)).rejects.toMatchObject({ code });
  });

  it('takes a photo of exactly the limit', async () => {
    await expect(take([file('file', 'a', jpeg(9996))])).resolves.toBeDefined();
  });
});
