/** Whether tiles lie on one grid, so that a mosaic of them needs no resampling. */
import type { HeaderValues } from '../../fits/card.ts';
import type { MosaicTile } from '../tile.ts';

type OnGrid = Pick<MosaicTile, 'wcs' | 'header'>;

/** Pixels by which CRPIX may miss a whole number. */
const WHOLE_PIXEL = 1e-6;
/** Of two numbers that were written by different programs; over 10,000 pixels that is 1e-8 of one. */
const RELATIVE = 1e-12;

/** Keywords that bend or turn a projection; CRPIX moves it alone. Alternative WCS (a letter at the end) are not looked at. */
const PROJECTION = /^(CTYPE|CRVAL|PV)\d+(_\d+)?$|^(A|B)_(ORDER|\d+_\d+)$/;
/** What is meant where they are missing. */
const DEFAULTS: ReadonlyMap<string, string | number> = new Map<string, string | number>([
  ['CUNIT1', 'deg'],
  ['CUNIT2', 'deg'],
]);

/** What a keyword means where it is missing; of LONPOLE it hangs on whether CRVAL is the pole. */
function usual(header: HeaderValues, keyword: string): string | number | undefined {
  if (keyword !== 'LONPOLE') return DEFAULTS.get(keyword);
  const lat = /^(?:DEC|GLAT)/i.test(String(header.value('CTYPE1'))) ? 1 : 2;
  return (numberOf(header, `CRVAL${lat}`) ?? 0) >= 90 ? 0 : 180;
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') {
    return a === b || Math.abs(a - b) <= RELATIVE * Math.max(Math.abs(a), Math.abs(b));
  }
  if (typeof a === 'string' && typeof b === 'string') return a.trim() === b.trim();
  return a === b;
}

function numberOf(header: HeaderValues, keyword: string): number | undefined {
  const value = header.value(keyword);
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
}

/** Degrees a pixel, by whichever of CD, PC with CDELT, CROTA2 with CDELT the header has. */
function linear(header: HeaderValues): [number, number, number, number] {
  const cd = ['CD1_1', 'CD1_2', 'CD2_1', 'CD2_2'].map((keyword) => numberOf(header, keyword));
  if (cd.some((value) => value !== undefined))
    return cd.map((value) => value ?? 0) as [number, number, number, number];
  const x = numberOf(header, 'CDELT1') ?? 1;
  const y = numberOf(header, 'CDELT2') ?? 1;
  const pc = ['PC1_1', 'PC1_2', 'PC2_1', 'PC2_2'].map((keyword) => numberOf(header, keyword));
  if (pc.some((value) => value !== undefined)) {
    return [(pc[0] ?? 1) * x, (pc[1] ?? 0) * x, (pc[2] ?? 0) * y, (pc[3] ?? 1) * y];
  }
  const turn = ((numberOf(header, 'CROTA2') ?? 0) * Math.PI) / 180;
  return [x * Math.cos(turn), -y * Math.sin(turn), x * Math.sin(turn), y * Math.cos(turn)];
}

function sameLinear(a: HeaderValues, b: HeaderValues): boolean {
  const [first, second] = [linear(a), linear(b)];
  const size = Math.max(...first.map(Math.abs));
  return first.every((value, i) => Math.abs(value - second[i]!) <= RELATIVE * size);
}

/**
 * Where the first pixel of a tile lies on another tile's grid, in whole pixels; undefined where the two do not share one: CTYPE, CRVAL, the
 * linear matrix, frame and distortion must be the same, and CRPIX must differ by whole pixels to 1e-6.
 */
export function gridOffset(first: OnGrid, second: OnGrid): { x: number; y: number } | undefined {
  if (first.wcs.frame !== second.wcs.frame) return undefined;
  const [primary, tile] = [first.header, second.header];
  const keywords = new Set(['LONPOLE', ...DEFAULTS.keys()]);
  for (const header of [primary, tile]) {
    for (const keyword of header.keywords()) if (PROJECTION.test(keyword)) keywords.add(keyword);
  }
  for (const keyword of keywords) {
    const [one, other] = [primary, tile].map((header) => header.value(keyword) ?? usual(header, keyword));
    if (!same(one, other)) return undefined;
  }
  if (!sameLinear(primary, tile)) return undefined;
  const dx = (numberOf(primary, 'CRPIX1') ?? 0) - (numberOf(tile, 'CRPIX1') ?? 0);
  const dy = (numberOf(primary, 'CRPIX2') ?? 0) - (numberOf(tile, 'CRPIX2') ?? 0);
  const [x, y] = [Math.round(dx), Math.round(dy)];
  // Adding 0 makes a -0 of the rounding a 0.
  return Math.abs(dx - x) <= WHOLE_PIXEL && Math.abs(dy - y) <= WHOLE_PIXEL
    ? { x: x + 0, y: y + 0 }
    : undefined;
}
