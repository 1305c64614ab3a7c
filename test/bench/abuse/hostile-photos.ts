/** Photos that nobody means well with: damaged, forged, small files that stand for very much, and one that ends whoever decodes it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { random } from '@darkroom/media/testing/film/pictures.ts';
import { planes } from '@darkroom/media/testing/film/planes.ts';
import { makeHeic } from '@darkroom/media/testing/heic.ts';
import { tiff } from '@darkroom/recognition/testing/tiff.ts';
import sharp from 'sharp';
import { samplesFolder } from '../../../apps/local/stack/samples.ts';

/** What the name of a file has that is to end its lane, by a failpoint: no such file is known of the decoders that are shipped. */
export const ender = 'ends-its-lane';

export interface HostilePhoto {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Bytes of a kind; `at` in [0, 1) differs from file to file. */
type Make = (at: number) => Buffer;

/** Side of a picture that has as many pixels as are allowed. */
const largest = 10_000;

/** `count` of them, all kinds in turn; the same at every run. */
export async function hostilePhotos(count: number): Promise<HostilePhoto[]> {
  const kinds = Object.entries(await makers());
  const next = random(1);
  return Array.from({ length: count }, (_, n) => {
    const [kind, make] = kinds[n % kinds.length]!;
    return { name: `${String(n + 1).padStart(4, '0')}-${kind}.jpg`, bytes: make(next()) };
  });
}

async function makers(): Promise<Record<string, Make>> {
  const cat = readFileSync(join(samplesFolder, 'cat.jpg'));
  const formats = await Promise.all(
    (['png', 'webp', 'gif', 'avif', 'tiff'] as const).map((format) => sharp(cat).toFormat(format).toBuffer()),
  );
  const whole = [cat, ...formats];
  const flat = (side: number) =>
    sharp({ create: { width: side, height: side, channels: 3, background: '#204060' } });
  const [png, webp, progressive, avif] = await Promise.all([
    flat(largest).png({ compressionLevel: 6 }).toBuffer(),
    flat(largest).webp({ lossless: true, effort: 0 }).toBuffer(),
    flat(largest).jpeg({ progressive: true }).toBuffer(),
    flat(largest / 2)
      .avif({ effort: 0 })
      .toBuffer(),
  ]);
  const heic = makeHeic(planes(512, 512));
  const picture = { width: 64, height: 64, samples: 3, values: Array<number>(64 * 64 * 3).fill(90) };
  const forged = tiff([{ ...picture, tags: { 256: largest, 257: largest, 279: 0x7fff_ffff } }]);
  const circle = inCircle(tiff([picture]));
  const pages = tiff(Array(2000).fill({ ...picture, width: 1, height: 1, values: [1, 2, 3] }));
  const svg = Buffer.from('<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>');
  const video = Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp41', 'latin1');
  const any = <T>(of: readonly T[], at: number): T => of[Math.floor(at * of.length)]!;
  const cut = (bytes: Buffer, at: number) => bytes.subarray(0, Math.floor(bytes.length * (0.1 + 0.85 * at)));
  return {
    cut: (at) => cut(any(whole, at), (at * 7) % 1),
    damaged: (at) => damaged(any(whole, at), at),
    'png-of-all-pixels': () => png,
    'claims-too-much': () => claiming(png, 60_000),
    'webp-of-all-pixels': () => webp,
    'progressive-of-all-pixels': () => progressive,
    'avif-of-many-pixels': () => avif,
    'heic-cut': (at) => cut(heic, at),
    'heic-damaged': (at) => damaged(heic, at),
    'tiff-of-nothing': () => forged,
    'tiff-in-a-circle': () => circle,
    'tiff-of-pages': () => pages,
    video: () => video,
    svg: () => svg,
    [ender]: (at) => Buffer.concat([cat, Buffer.from(String(at))]),
  };
}

/** A dozen bytes of its second half replaced. */
function damaged(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  const numbers = random(Math.floor(at * 2 ** 31));
  for (let n = 0; n < 12; n++)
    changed[Math.floor(changed.length * (0.5 + 0.5 * numbers()))] = Math.floor(256 * numbers());
  return changed;
}

/** The PNG with another size in its header (and the sum of that, which is looked at). */
function claiming(png: Buffer, side: number): Buffer {
  const changed = Buffer.from(png);
  changed.writeUInt32BE(side, 16);
  changed.writeUInt32BE(side, 20);
  changed.writeUInt32BE(crc32(changed.subarray(12, 29)), 29);
  return changed;
}

/** A little-endian TIFF of one page whose next page is itself. */
function inCircle(one: Buffer): Buffer {
  const changed = Buffer.from(one);
  const directory = changed.readUInt32LE(4);
  changed.writeUInt32LE(directory, directory + 2 + 12 * changed.readUInt16LE(directory));
  return changed;
}
