/**
 * FITS files of every kind that the writer writes, from a seed. `node files.ts FOLDER` writes them there, for tools/oracle/sky_write.py to hold
 * against fitsverify, fpack, funpack and astropy; test/oracle/sky/write.json has the sums of those that it found right.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pixels } from '../../../image/plane.ts';
import type { Card } from '../../card.ts';
import { realCard } from '../cards.ts';
import { writeFits } from '../file.ts';

const width = 233;
const height = 57;

/** Numbers from 0 to 1, the same everywhere: 32-bit arithmetic alone. */
export function variates(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Noise of about a standard deviation of 5 about 100, with a source here and there. */
function sky(seed: number): Float64Array {
  const next = variates(seed);
  return Float64Array.from({ length: width * height }, (_, i) => {
    const noise = next() + next() + next() + next() - 2;
    return 100 + 8.66 * noise + (i % 977 === 0 ? 5000 * next() : 0);
  });
}

export interface PixelSet {
  readonly name: string;
  readonly data: Pixels;
  /** Some rows or tiles are without noise: quantised floats have lossless tiles among them, whose bytes are zlib's. */
  readonly flat?: boolean;
}

/** Pixels of every type; floats also with blanks, with zeros, and with a part that has no noise. */
export function pixelSets(): PixelSet[] {
  const floats = Float32Array.from(sky(1));
  const blanks = Float32Array.from(sky(2));
  const zeros = Float32Array.from(sky(3));
  const next = variates(4);
  for (let i = 0; i < 500; i++) blanks[Math.floor(next() * blanks.length)] = Number.NaN;
  for (let i = 0; i < 900; i++) zeros[Math.floor(next() * zeros.length)] = 0;
  blanks.fill(Number.NaN, 5 * width, 6 * width);
  const flat = Float32Array.from(sky(5));
  flat.fill(7, 10 * width, 22 * width);
  return [
    { name: 'uint8', data: Uint8Array.from(floats, (v) => Math.min(255, v)) },
    { name: 'int16', data: Int16Array.from(floats, (v) => Math.min(32767, 3 * v - 200)) },
    { name: 'int32', data: Int32Array.from(floats, (v) => 3000 * v - 100) },
    { name: 'wild32', data: Int32Array.from(floats, () => (next() - 0.5) * 2 ** 32) },
    {
      name: 'int64',
      data: BigInt64Array.from(Array.from(floats, (v) => BigInt(Math.round(v)) * 5_000_000_000n)),
    },
    { name: 'float32', data: floats },
    { name: 'float64', data: sky(6) },
    { name: 'blanks', data: blanks },
    { name: 'zeros', data: zeros },
    { name: 'flat', data: flat, flat: true },
  ];
}

/** Cards of every form. */
const cards: readonly Card[] = [
  { keyword: 'OBJECT', value: "O'Neill's", comment: 'quotes are doubled' },
  { keyword: 'LONGTEXT', value: `It's ${"a 'long' text of many words ".repeat(8)}`, comment: 'goes on' },
  { keyword: 'ESO DET OUT1', value: 12.5, comment: 'of a hierarchy' },
  { keyword: 'ESO DET NAME OF MANY WORDS', value: 'x'.repeat(150), comment: 'of a hierarchy, and long' },
  realCard('WHOLE', 10, 'a whole number'),
  { keyword: 'TINY', value: 1.5e-300, comment: '' },
  { keyword: 'BIG', value: 12345678901234567890n, comment: 'beyond 2^53' },
  { keyword: 'FLAG', value: false, comment: 'c'.repeat(100) },
  { keyword: 'HISTORY', value: undefined, comment: 'word '.repeat(40) },
  { keyword: '', value: undefined, comment: 'words without a keyword' },
];

const tilings = [
  { name: 'row' },
  { name: 'square', tile: { width: 32, height: 32 } },
  { name: 'ragged', tile: { width: 50, height: 7 } },
] as const;

export const ditherSeed = 77;

export interface WrittenFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** zlib's bytes are part of it: another version of it may write others. */
  readonly zlib: boolean;
}

export function* writtenFiles(): Generator<WrittenFile> {
  const sets = pixelSets();
  for (const { name, data, flat = false } of sets) {
    const plane = { width, height, data };
    yield { name: `${name}.fits`, bytes: writeFits([{ plane, cards }]), zlib: false };
    if (data instanceof BigInt64Array) continue;
    const floating = data instanceof Float32Array || data instanceof Float64Array;
    for (const tiling of tilings) {
      for (const dither of floating
        ? (['SUBTRACTIVE_DITHER_1', 'SUBTRACTIVE_DITHER_2'] as const)
        : [undefined]) {
        const compress = {
          ...('tile' in tiling && { tile: tiling.tile }),
          ...(dither && { dither, seed: ditherSeed }),
        };
        const bytes = writeFits([{ plane, cards, compress }]);
        yield { name: `${name}.${tiling.name}${dither?.at(-1) ?? ''}.fits.fz`, bytes, zlib: flat };
      }
    }
  }
  const of = (wanted: string) => ({ width, height, data: sets.find(({ name }) => name === wanted)!.data });
  const extension = (value: string): Card[] => [{ keyword: 'EXTNAME', value, comment: '' }];
  const planes = [
    { plane: of('float32'), cards: extension('IMAGE') },
    { plane: of('zeros'), cards: extension('WEIGHT') },
    { plane: of('int32'), cards: extension('MASK') },
  ];
  yield { name: 'planes.fits', bytes: writeFits(planes, { primary: cards }), zlib: false };
  const packed = planes.map((plane) => ({ ...plane, compress: {} }));
  yield { name: 'planes.fits.fz', bytes: writeFits(packed, { primary: cards }), zlib: false };
  yield { name: 'empty.fits', bytes: writeFits([], { primary: cards }), zlib: false };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, bytes } of writtenFiles()) writeFileSync(join(process.argv[2]!, name), bytes);
}
