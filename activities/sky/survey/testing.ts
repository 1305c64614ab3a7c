/** For tests of surveys: a store in memory, and small tiles on the sky. */
import { createHash } from 'node:crypto';
import type { Card } from '../fits/card.ts';
import { writeFits } from '../fits/write/file.ts';
import { card } from '../fits/write/header.ts';
import type { Plane } from '../image/plane.ts';
import type { SurveyDefinition } from './definition/definition.ts';
import type { IndexStore } from './indexing/index.ts';

/** Cards of a TAN of north up and east left with the reference pixel in the middle; `scale` in degrees a pixel. */
export function tangentCards(
  [ra, dec]: readonly [number, number],
  { width, height, scale }: { width: number; height: number; scale: number },
): Card[] {
  return [
    card('CTYPE1', 'RA---TAN'),
    card('CTYPE2', 'DEC--TAN'),
    card('CRVAL1', ra),
    card('CRVAL2', dec),
    card('CRPIX1', (width + 1) / 2),
    card('CRPIX2', (height + 1) / 2),
    card('CD1_1', -scale),
    card('CD1_2', 0),
    card('CD2_1', 0),
    card('CD2_2', scale),
    card('RADESYS', 'ICRS'),
  ];
}

/** A tile of that many pixels each way, each its number. */
export function smallTile(
  centre: readonly [number, number],
  { pixels = 40, scale = 0.005, extname = '' }: { pixels?: number; scale?: number; extname?: string } = {},
): Uint8Array {
  const data = Float32Array.from({ length: pixels * pixels }, (_, i) => i);
  const plane: Plane = { width: pixels, height: pixels, data };
  const cards = tangentCards(centre, { width: pixels, height: pixels, scale });
  return writeFits([{ plane, cards: [...(extname === '' ? [] : [card('EXTNAME', extname)]), ...cards] }]);
}

export interface MemoryStore extends IndexStore {
  /** By URI. */
  readonly objects: Map<string, Uint8Array>;
  /** Of the reads so far. */
  readonly reads: string[];
}

const etagOf = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

export function memoryStore(objects: Record<string, Uint8Array> = {}): MemoryStore {
  const all = new Map(Object.entries(objects));
  const reads: string[] = [];
  return {
    objects: all,
    reads,
    async *list(prefix) {
      for (const [uri, bytes] of [...all].sort(([a], [b]) => (a < b ? -1 : 1)))
        if (uri.startsWith(prefix)) yield { uri, size: bytes.length, etag: etagOf(bytes) };
    },
    async get(uri, { range, ifMatch }) {
      const bytes = all.get(uri);
      reads.push(uri);
      if (bytes === undefined || etagOf(bytes) !== ifMatch)
        throw Object.assign(new Error(`${uri} has changed`), { code: 'source_changed' });
      return {
        stream: (async function* () {
          yield bytes.slice(range.start, range.start + range.length);
        })(),
      };
    },
  };
}

/** A survey of one band of tiles `t1.fits`, `t2.fits`, …. */
export const smallSurvey: SurveyDefinition = {
  name: 'small',
  title: 'A small survey',
  release: '1',
  root: 's3://bucket/small/',
  tile: { pattern: 't\\d+', example: 't1' },
  wcs: 'TAN',
  bands: [{ name: 'r', wavelength: 640, zeropoint: 22.5, unit: 'nanomaggy' }],
  planes: { image: { path: '{tile}.fits' } },
  readers: 'public',
  defaults: { size: '1arcmin', algorithm: 'lupton' },
  limits: { size: '10arcmin', pixels: 1_000_000 },
  credit: 'Nobody',
  example: { ra: 10, dec: 20 },
};
