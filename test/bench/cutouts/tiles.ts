/** Tiles as a survey of the whole sky has them: noise and stars, as RICE_1 with dither, kept in a folder for the next run. */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Card, FileSink, FitsWriter, realCard } from '@darkroom/sky';
import { homeFolder } from '../../../apps/local/home/layout.ts';

/** Tiles of compression: a row of the image, or 100 × 100 pixels. */
export const shapes = ['rows', 'squares'] as const;
export type Shape = (typeof shapes)[number];

/** Changes with what is drawn: tiles of another version are made anew. */
const version = 2;
const arcsec = 0.263;
/** Tiles of one place of the sky, on one grid. */
export const bands = ['g', 'r', 'i'] as const;
/** From the middle of one place to that of the next: they do not overlap. Degrees of right ascension. */
const stepRa = 0.9;
/** Degrees. */
const first = { ra: 10, dec: -30 };
const noise = 5;
const sky = 20;
/** Pixels from the middle of a star on that are drawn. */
const reach = 12;

/** Where the middle of tile `number` lies, degrees. */
export function middleOf(number: number): { ra: number; dec: number } {
  return { ra: first.ra + stepRa * Math.floor(number / bands.length), dec: first.dec };
}

/** As the files of a survey are named: place and band. */
export function nameOf(number: number): string {
  return `t${Math.floor(number / bands.length)}-${bands[number % bands.length]}.fits.fz`;
}

/** Pixels of its side as degrees. */
export const degreesOf = (pixels: number): number => (pixels * arcsec) / 3600;

/** `count` tiles of `size` × `size` pixels, made where they are not there yet. `made` is told of each. Returns their paths. */
export async function tilesOf(
  shape: Shape,
  count: number,
  size: number,
  made: (path: string) => void,
): Promise<string[]> {
  const folder = join(homeFolder(), 'bench-tiles', `${shape}-${size}-${version}`);
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const path = join(folder, nameOf(i));
    paths.push(path);
    if (existsSync(path)) continue;
    // What is half-made has another name.
    draw(`${path}.part`, shape, i, size);
    await rename(`${path}.part`, path);
    made(path);
  }
  return paths;
}

function draw(path: string, shape: Shape, number: number, size: number): void {
  using sink = new FileSink(path);
  const file = new FitsWriter(sink);
  const image = file.image({
    width: size,
    height: size,
    bitpix: -32,
    cards: cardsOf(number, size),
    compress: {
      seed: (number % 10_000) + 1,
      ...(shape === 'squares' && { tile: { width: 100, height: 100 } }),
    },
  });
  const random = randomOf(number + 1);
  const pool = normal(random, (1 << 20) + size);
  const stars = Array.from({ length: Math.round((size * size) / 5000) }, () => ({
    x: random() * size,
    y: random() * size,
    peak: 10 ** (1 + 3 * random()),
  })).sort((a, b) => a.y - b.y);
  const row = new Float32Array(size);
  let from = 0;
  for (let y = 0; y < size; y++) {
    // Each row begins elsewhere in the noise: as good as fresh for a compressor of rows, and a hundredth of the work.
    const start = Math.floor(random() * (1 << 20));
    for (let x = 0; x < size; x++) row[x] = pool[start + x]!;
    while (from < stars.length && stars[from]!.y < y - reach) from++;
    for (let i = from; i < stars.length && stars[i]!.y <= y + reach; i++) addStar(row, y, stars[i]!);
    image.rows(row);
  }
  image.end();
}

function addStar(row: Float32Array, y: number, star: { x: number; y: number; peak: number }): void {
  const from = Math.max(0, Math.ceil(star.x - reach));
  const to = Math.min(row.length - 1, Math.floor(star.x + reach));
  for (let x = from; x <= to; x++) {
    row[x] = row[x]! + star.peak * Math.exp(-((x - star.x) ** 2 + (y - star.y) ** 2) / 8);
  }
}

/** A grid about a point of its own, north up. */
function cardsOf(number: number, size: number): Card[] {
  const text = (keyword: string, value: string): Card => ({ keyword, value, comment: '' });
  const { ra, dec } = middleOf(number);
  return [
    text('EXTNAME', 'SCI'),
    text('BUNIT', 'nJy'),
    text('CTYPE1', 'RA---TAN'),
    text('CTYPE2', 'DEC--TAN'),
    realCard('CRVAL1', ra),
    realCard('CRVAL2', dec),
    realCard('CRPIX1', (size + 1) / 2),
    realCard('CRPIX2', (size + 1) / 2),
    realCard('CD1_1', -arcsec / 3600),
    realCard('CD1_2', 0),
    realCard('CD2_1', 0),
    realCard('CD2_2', arcsec / 3600),
    text('RADESYS', 'ICRS'),
    text('BAND', bands[number % bands.length]!),
  ];
}

/** Gives a tile's first card of that name another value, and leaves its checksums what they were. */
export function setCard(bytes: Buffer, keyword: string, value: number): void {
  const at = bytes.indexOf(`${keyword.padEnd(8)}= `, 0, 'latin1');
  if (at < 0) throw new Error(`There is no ${keyword}.`);
  bytes.write((realCard(keyword, value).raw ?? '').padEnd(80), at, 'latin1');
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Noise about the sky's brightness: Box and Muller's. */
function normal(random: () => number, count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    values[i] = sky + noise * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  }
  return values;
}
