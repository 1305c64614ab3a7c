import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../testing/models.ts';
import { type TiffPicture, tiff } from '../../testing/tiff.ts';
import { decode, probe } from '../prepare.ts';

/** Red grows to the right, green downwards; blue is the same everywhere, and tells the pictures of a file apart. */
function ramp(width: number, height: number, blue: number): TiffPicture {
  const values = Array.from({ length: width * height }, (_, i) => [
    Math.round((255 * (i % width)) / (width - 1)),
    Math.round((255 * Math.floor(i / width)) / (height - 1)),
    blue,
  ]).flat();
  return { width, height, samples: 3, values };
}

const picture = ramp(48, 40, 200);
const small = ramp(12, 10, 90);
const lone = { ...picture, samples: 1, values: picture.values.filter((_, i) => i % 3 === 0) };
const masked: TiffPicture = { ...ramp(96, 80, 0), tags: { 254: 4 } };
const reason = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('the picture of a TIFF', () => {
  it.each<[string, Buffer]>([
    ['big-endian', tiff([picture], { bigEndian: true })],
    ['BigTIFF', tiff([picture], { big: true })],
    ['big-endian BigTIFF', tiff([picture], { big: true, bigEndian: true })],
    ['planes apart', tiff([{ ...picture, planesApart: true }])],
    ['tiles', tiff([{ ...picture, tile: 32 }])],
    ['a thumbnail first', tiff([{ ...small, tags: { 254: 1 } }, picture])],
    ['a thumbnail first that does not say so', tiff([small, picture, small])],
    ['the picture in a SubIFD', tiff([{ ...small, subifds: [ramp(24, 20, 7), picture] }])],
    [
      'the picture in a SubIFD of a later page',
      tiff([small, { ...small, subifds: [picture] }, small], { big: true }),
    ],
    ['a larger mask', tiff([{ ...picture, subifds: [masked] }, masked])],
    ['another page as large', tiff([picture, ramp(48, 40, 1)])],
    ['its reduction as large', tiff([{ ...ramp(48, 40, 1), tags: { 254: 1 } }, picture])],
    ['a page as large that is not read', tiff([{ ...ramp(48, 40, 1), tags: { 259: 34_712 } }, picture])],
  ])('is read: %s', async (_what, bytes) => {
    expect(await probe(bytes, limits)).toMatchObject({ width: 48, height: 40, format: 'tiff' });
    const { width, height, data } = await decode(bytes, limits);
    expect([width, height]).toEqual([48, 40]);
    expect([...data]).toEqual(picture.values);
  });

  it.each<[string, RegExp, TiffPicture]>([
    [
      'tiles with planes apart',
      /tiles with each colour in a plane/,
      { ...picture, tile: 32, planesApart: true },
    ],
    ['CIELab', /CIELab of 8-bit/, { ...picture, photometric: 8 }],
    ['five bands', /5 bands/, { width: 8, height: 8, samples: 5, values: [] }],
    ['two bands called RGB', /2 bands/, { width: 8, height: 8, samples: 2, values: [], photometric: 2 }],
    ['a depth map', /depth map/, { ...lone, photometric: 51_177 }],
    ['doubles', /64-bit floating-point/, { ...picture, type: 'f64' }],
    ['64-bit integers', /64-bit unsigned/, { ...lone, type: 'u64' }],
    ['12 bits packed', /12-bit unsigned/, { ...lone, tags: { 258: 12 } }],
    ['complex numbers', /complex/, { ...lone, tags: { 339: 6 } }],
    ['JPEG 2000', /JPEG 2000/, { ...picture, tags: { 259: 34_712 } }],
    ['Zstandard', /Zstandard/, { ...picture, tags: { 259: 50_000 } }],
    [
      'a raw beside its thumbnail',
      /largest of the TIFF’s 2 pictures .*camera raw/,
      { ...small, subifds: [{ ...lone, photometric: 32_803 }] },
    ],
    [
      'a sub-image of a sub-image',
      /within a sub-image \(48 × 40\)/,
      { ...small, subifds: [{ ...small, subifds: [picture] }] },
    ],
  ])('is refused by name: %s', async (_what, message, page) => {
    const bytes = tiff([page]);
    const refused = reason('unsupported_media', message);
    await expect(probe(bytes, limits)).rejects.toEqual(refused);
    await expect(decode(bytes, limits)).rejects.toEqual(refused);
    await expect(probe(bytes, limits)).rejects.toEqual(reason('unsupported_media', /Export it as JPEG/));
  });

  it('is looked for in as many pages as the limit, no more', async () => {
    const bytes = tiff([...Array(150).fill(small), picture]);
    expect(await probe(bytes, { ...limits, frames: 151 })).toMatchObject({ width: 48, frames: 151 });
    await expect(probe(bytes, { ...limits, frames: 150 })).rejects.toEqual(
      reason('too_many_frames', /limit is 150/),
    );
  });

  it('is held to the limit of pixels, whatever stands first', async () => {
    const bytes = tiff([small, { ...small, tags: { 256: 60_000, 257: 60_000 } }]);
    await expect(probe(bytes, limits)).rejects.toEqual(reason('too_many_pixels', /60000 × 60000/));
  });

  it('is called cut off wherever the file ends early', async () => {
    const bytes = tiff([small, picture], { big: true });
    for (const part of [0.001, 0.01, 0.1, 0.5, 0.9, 0.99]) {
      const cut = bytes.subarray(0, Math.ceil(bytes.length * part));
      await expect(
        probe(cut, limits).then(() => decode(cut, limits)),
        String(part),
      ).rejects.toMatchObject({
        code: cut.length < 4 ? 'unsupported_media' : 'truncated_image',
      });
    }
  });

  it('is not looked for in directories that lie on each other', async () => {
    const below = 64;
    const first = 400;
    const bytes = Buffer.alloc(first + 2 * below + 65_535 * 12 + 4, 0xff);
    // One page of one entry: 64 SubIFDs, whose offsets are told from byte 30 on. Each of them goes on to nearly the end.
    bytes.set([
      ...Buffer.from('II*\0'),
      8,
      0,
      0,
      0,
      1,
      0,
      0x4a,
      1,
      4,
      0,
      below,
      0,
      0,
      0,
      30,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    ]);
    for (let i = 0; i < below; i++) bytes.writeUInt32LE(first + 2 * i, 30 + 4 * i);
    bytes.fill(0, bytes.length - 4 - 2 * below);
    await expect(probe(bytes, { ...limits, frames: 10_000 })).rejects.toEqual(
      reason('truncated_image', /entries/),
    );
  });

  it('is found, or a problem, whatever the bytes are', async () => {
    const bytes = tiff([{ ...small, subifds: [small] }, small]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 12),
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        async (at, noise) => {
          const broken = Buffer.from(bytes);
          broken.set(noise, at + 4);
          await probe(broken, limits).catch((error: unknown) => expect(error).toHaveProperty('problem'));
        },
      ),
      { numRuns: 150 },
    );
  });
});
