import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Part } from '../../../requests/multipart.ts';
import { digestOnly, type Incoming, takeFiles } from './files.ts';

const jpeg = (length: number): Buffer =>
  Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(length)]);
const mp4 = (length: number): Buffer =>
  Buffer.concat([Buffer.from('\0\0\0\x10ftypisom\0\0\x02\0', 'latin1'), Buffer.alloc(length)]);
const asf = Buffer.from('3026b2758e66cf11', 'hex');
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
const limits = { uploadBytes: 10_000, videoBytes: 20_000 };
const take = (parts: Part[]) => takeFiles(stream(parts), limits, digestOnly);

describe('takeFiles', () => {
  it('hands on every byte of each photo, the first ones looked at included', async () => {
    const seen: (Omit<Incoming, 'content'> & { bytes: Buffer })[] = [];
    const bytes = jpeg(9000);
    const parts = [file('files', 'a.jpg', bytes, 7), file('files', 'b.png', bytes), field('labels', 'cat')];
    const { media, options, files } = await takeFiles(stream(parts), limits, async (file) => {
      const { content, ...rest } = file;
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) chunks.push(chunk);
      seen.push({ ...rest, bytes: Buffer.concat(chunks) });
      return { sha256: 'x' };
    });
    expect(media).toBe('photo');
    expect(options.labels).toEqual(['cat']);
    expect(files.map(({ filename }) => filename)).toEqual(['a.jpg', 'b.png']);
    const common = { media: 'photo', field: 'files', contentType: 'image/jpeg', bytes };
    expect(seen).toEqual([
      { ...common, segmentId: 1, filename: 'a.jpg' },
      { ...common, segmentId: 2, filename: 'b.png' },
    ]);
  });

  it('hashes what is not to be kept', async () => {
    const bytes = jpeg(5000);
    const { files } = await take([file('file', 'a', bytes)]);
    expect(files[0]?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('makes names safe', async () => {
    const names = ['../../etc/passwd', 'C:\\photos\\cat.jpg', '\0\u202egpj.exe', '...', '', 'ü'.repeat(4000)];
    const { files } = await take(names.map((name) => file('files', name, jpeg(9))));
    const safe = files.map(({ filename }) => filename);
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
    { what: 'a video among photos', parts: [file('files', 'a.jpg', mp4(9))], code: 'video_among_photos' },
    {
      what: 'two videos',
      parts: [file('file', 'a.mp4', mp4(9)), file('file', 'b.mp4', mp4(9))],
      code: 'validation_failed',
    },
    { what: 'an unknown container', parts: [file('file', 'a.mp4', asf)], code: 'unsupported_video' },
    {
      what: 'a playlist that says it is a video',
      parts: [file('file', 'a.mp4', Buffer.from('#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n'))],
      code: 'unsupported_media',
    },
    {
      what: 'an option of videos with a photo',
      parts: [file('file', 'a.jpg', jpeg(9)), field('mode', 'fast')],
      code: 'validation_failed',
    },
    { what: 'one byte too many', parts: [file('file', 'a', jpeg(9997))], code: 'too_large' },
    { what: 'a video too large', parts: [file('file', 'a', mp4(19_985))], code: 'too_large' },
  ])('refuses $what', async ({ parts, code }) => {
    await expect(take(parts)).rejects.toMatchObject({ code });
  });

  it('takes a photo and a video of exactly their limits', async () => {
    await expect(take([file('file', 'a', jpeg(9996))])).resolves.toMatchObject({ media: 'photo' });
    await expect(take([file('file', 'a', mp4(19_984))])).resolves.toMatchObject({ media: 'video' });
  });

  it("takes an iPhone's HEIC as a photo", async () => {
    let contentType = '';
    const request = await takeFiles(stream([file('file', 'IMG_1.HEIC', heic)]), limits, async (incoming) => {
      contentType = incoming.contentType;
      return digestOnly(incoming);
    });
    expect([request.media, contentType]).toEqual(['photo', 'image/heic']);
  });

  it('reads the options of a video, wherever they come', async () => {
    const { options } = await take([
      field('mode', 'fast'),
      file('file', 'a.mp4', mp4(9)),
      field('to', '12.5'),
      field('gradual', 'False'),
    ]);
    expect(options).toMatchObject({ mode: 'fast', from: 0, to: 12.5, gradual: false, longestScene: 60 });
  });

  it('takes a file field that was left blank as not sent', async () => {
    const request = await take([field('files', ''), file('file', 'a.jpg', jpeg(9))]);
    expect(request).toMatchObject({ media: 'photo', files: [{ filename: 'a.jpg' }] });
    await expect(take([field('files', 'a.jpg'), file('file', 'a.jpg', jpeg(9))])).rejects.toMatchObject({
      code: 'validation_failed',
    });
  });

  it('takes no byte of a file when an option before it is wrong', async () => {
    let taken = 0;
    const parts = [field('cutThreshold', '0'), file('file', 'a.mp4', mp4(9))];
    const refused = takeFiles(stream(parts), limits, async () => {
      taken++;
      return { sha256: '' };
    });
    await expect(refused).rejects.toMatchObject({ name: 'ZodError' });
    expect(taken).toBe(0);
  });
});
