import { createStorage, type Storage } from '@darkroom/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../../../../test/harness/s3.ts';
import { pinSource } from './source.ts';

const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(5000)]);
const mp4 = Buffer.concat([Buffer.from('\0\0\0\x10ftypisom\0\0\x02\0', 'latin1'), Buffer.alloc(7000)]);
const limits = { uploadBytes: 6000, videoBytes: 8000, photosPerTask: 3 };

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

const put = (key: string, bytes: Buffer) => storage.putBytes(key, bytes, { contentType: 'image/jpeg' });
const pin = (key: string) => pinSource(storage, `s3://${s3.bucket}/${key}`, limits);

describe('pinSource', () => {
  it('pins one photo to its ETag and size', async () => {
    const { etag } = await put('one/cat photo.jpg', jpeg);
    expect(await pin('one/cat photo.jpg')).toEqual({
      media: 'photo',
      sources: [
        { uri: `s3://${s3.bucket}/one/cat photo.jpg`, etag, bytes: jpeg.length, filename: 'cat photo.jpg' },
      ],
    });
  });

  it('tells a video by its content, and measures it by its own limit', async () => {
    const { etag } = await put('one/film.jpg', mp4);
    expect(await pin('one/film.jpg')).toEqual({
      media: 'video',
      sources: [{ uri: `s3://${s3.bucket}/one/film.jpg`, etag, bytes: mp4.length, filename: 'film.jpg' }],
    });
  });

  it('pins what lies under a prefix in the order of the keys', async () => {
    for (const key of ['many/b.jpg', 'many/a.jpg', 'many/deep/a.jpg']) await put(key, jpeg);
    const { media, sources: pinned } = await pin('many/');
    expect(media).toBe('photo');
    expect(pinned.map(({ uri }) => uri.split('/many/')[1])).toEqual(['a.jpg', 'b.jpg', 'deep/a.jpg']);
    expect(pinned.map(({ filename }) => filename)).toEqual(['a.jpg', 'b.jpg', 'a.jpg']);
    await put('many/z.jpg', jpeg);
    await expect(pin('many/')).rejects.toMatchObject({ code: 'too_many_items' });
  });

  it.each([
    ['nothing', 'absent.jpg', undefined, 'source_not_found'],
    ['nothing under a prefix', 'absent/', undefined, 'source_not_found'],
    ['an empty object', 'bad/empty.jpg', Buffer.alloc(0), 'empty_file'],
    ['text', 'bad/text.jpg', Buffer.from('hello'), 'unsupported_media'],
    ['too many bytes', 'bad/large.jpg', Buffer.concat([jpeg, jpeg]), 'too_large'],
    ['too many bytes of a video', 'bad/large.mp4', Buffer.concat([mp4, mp4]), 'too_large'],
    ['an unknown container', 'bad/film.wmv', Buffer.from('3026b2758e66cf11', 'hex'), 'unsupported_video'],
  ])('refuses %s', async (_what, key, bytes, code) => {
    if (bytes) await put(key, bytes);
    await expect(pin(key)).rejects.toMatchObject({ code });
  });

  it('says source_not_found of a bucket that is not there', async () => {
    const absent = pinSource(storage, 's3://no-such-bucket/a.jpg', limits);
    await expect(absent).rejects.toMatchObject({ code: 'source_not_found' });
  });
});
