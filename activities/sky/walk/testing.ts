/** For tests of walks: tiles of all layouts in a store in memory, and calls for cutouts of them. */
import { createHash } from 'node:crypto';
import type { CutoutRequest, PlaneKind } from '@darkroom/contract';
import type { ImageHdu } from '../fits/write/file.ts';
import { writeFits } from '../fits/write/file.ts';
import { card } from '../fits/write/header.ts';
import { variates } from '../fits/write/testing/files.ts';
import type { CutoutCall, CutoutSource } from '../make/call.ts';
import type { MadeFile, MakeFile } from '../make/made.ts';
import { type MemoryStore, tangentCards } from '../survey/testing.ts';

export const place = { ra: 150, dec: 2 };
/** Degrees. */
export const scale = 1 / 3600;
export const side = 400;

const layouts = {
  rows: { dither: 'SUBTRACTIVE_DITHER_1', seed: 3 },
  squares: { dither: 'SUBTRACTIVE_DITHER_2', seed: 4, tile: { width: 50, height: 50 } },
  plain: undefined,
} as const;
export type Layout = keyof typeof layouts;
export const allLayouts = Object.keys(layouts) as Layout[];

interface TileOf {
  readonly layout: Layout;
  readonly band: string;
  /** The image as integers of 16 bits without a BLANK. */
  readonly integers?: boolean;
  /** About the reference pixel, radians. */
  readonly turned?: number;
  /** Of the reference pixel, pixels. */
  readonly moved?: number;
}

/** Image, weight and mask in one file; noise with blank places, and a source in the middle. */
export function tileFile({ layout, band, integers = false, turned = 0, moved = 0 }: TileOf): Uint8Array {
  const next = variates(band.length + 7 * allLayouts.indexOf(layout));
  const pixels = Float32Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [(i % side) - side / 2, Math.floor(i / side) - side / 2];
    const noise = 5 * (next() + next() + next() + next() - 2) + 3000 * Math.exp(-(x * x + y * y) / 20);
    return !integers && x > 100 && y > 100 ? Number.NaN : noise;
  });
  const [c, s] = [Math.cos(turned) * scale, Math.sin(turned) * scale];
  const middle = (side + 1) / 2 + moved;
  const changed: Record<string, number> = {
    ...{ CRPIX1: middle, CRPIX2: middle, CD1_1: -c, CD1_2: s, CD2_1: s, CD2_2: c },
  };
  const grid = tangentCards([place.ra, place.dec], { width: side, height: side, scale }).map((one) =>
    changed[one.keyword] === undefined ? one : card(one.keyword, changed[one.keyword]),
  );
  const compress = layouts[layout];
  const hdu = (extname: string, data: ImageHdu['plane']['data']): ImageHdu => ({
    plane: { width: side, height: side, data },
    cards: [card('EXTNAME', extname), ...grid],
    ...(compress && { compress }),
  });
  return writeFits(
    [
      hdu('SCI', integers ? Int16Array.from(pixels) : pixels),
      hdu(
        'WGT',
        pixels.map((value) => (Number.isNaN(value) ? 0 : 1)),
      ),
      hdu(
        'MSK',
        Int16Array.from(pixels, (value) => (value > 1000 ? 8 : 0)),
      ),
    ],
    { primary: [] },
  );
}

const hdus: Readonly<Record<PlaneKind, number>> = { image: 1, weight: 2, mask: 3 };

/** The planes of a file that lies in the store, as an index has them. */
export function sourcesOf(
  store: MemoryStore,
  uri: string,
  { tile, band, planes }: { tile: string; band: string; planes: readonly PlaneKind[] },
): CutoutSource[] {
  const bytes = store.objects.get(uri);
  if (bytes === undefined) throw new Error(`No ${uri}.`);
  const etag = createHash('md5').update(bytes).digest('hex');
  return planes.map((plane) => ({
    ...{ tile, band, plane, uri, etag, bytes: bytes.length, hdu: hdus[plane], verified: false },
  }));
}

export const request: CutoutRequest = {
  survey: 'small',
  ...place,
  size: { width: { value: 40, unit: 'px' }, height: { value: 40, unit: 'px' } },
  grid: null,
  format: 'fits',
  bands: ['r'],
  planes: ['image'],
  mode: 'primary',
  resampling: 'flux',
  compress: 'none',
  picture: null,
};

export const picture: NonNullable<CutoutRequest['picture']> = {
  algorithm: 'lupton',
  settings: {},
  maxPixels: null,
  depth: 8,
  orientation: 'north',
  scaleBar: false,
  crosshair: true,
  compass: false,
  label: null,
};

/** Where a pixel of a tile lies, degrees: near enough for a test. */
export const placeAt = (x: number, y: number): { ra: number; dec: number } => ({
  ra: place.ra - ((x - side / 2) * scale) / Math.cos((place.dec * Math.PI) / 180),
  dec: place.dec + (y - side / 2) * scale,
});

export const callOf = (sources: CutoutSource[], changes: Partial<CutoutRequest> = {}): CutoutCall => ({
  request: { ...request, ...changes },
  survey: {
    name: 'small',
    release: '1',
    bands: ['g', 'r', 'i'].map((name) => ({ name, zeroPoint: 22.5, unit: 'nanomaggy' })),
    mask: { bad: [{ bit: 3, name: 'saturated' }], noData: 7 },
  },
  sources,
});

/** What came of it: the digest of its bytes and what is told of it, or why there are none. */
export async function outcomeOf(make: MakeFile, call: CutoutCall, signal: AbortSignal): Promise<object> {
  let made: MadeFile;
  try {
    made = await make(call, signal);
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    return { code, message };
  }
  using file = made.file;
  const hash = createHash('sha256');
  for await (const piece of file.read()) hash.update(piece);
  return { digest: hash.digest('hex'), facts: made.facts, contentType: made.contentType };
}
