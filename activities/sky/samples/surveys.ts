/** The two surveys of samples: where their tiles lie, and how each is written. */
import type { Card } from '../fits/card.ts';
import { Header } from '../fits/header/header.ts';
import { type ImageHdu, writeFits } from '../fits/write/file.ts';
import { card } from '../fits/write/header.ts';
import type { RiceOptions } from '../fits/write/tiles/compressed.ts';
import type { Plane } from '../image/plane.ts';
import type { SurveyDefinition } from '../survey/definition/definition.ts';
import { parseWcs } from '../wcs/parse.ts';
import { maskBits, takeTile } from './planes.ts';
import { placeOf, type Seeing } from './render.ts';
import { fieldCentre, makeSky, type SkyBand, skyBands } from './sky.ts';

/** A file of a sample, made when it is asked for. */
export interface SampleFile {
  /** Below the root of its survey. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface SampleSurvey {
  readonly definition: SurveyDefinition;
  files(): Iterable<SampleFile>;
}

/** How large the samples are; tests have smaller ones. */
export interface SampleSize {
  /** Pixels each way of a coadded tile; bricks and exposures go by it. */
  readonly tile: number;
}

export const usualSize: SampleSize = { tile: 900 };

/** Arcseconds. */
const pixel = 0.263;
/** Of one pixel of an image of usual depth, nanomaggies. */
const noise: Readonly<Record<SkyBand, number>> = { g: 0.0042, r: 0.005, i: 0.0075, z: 0.012 };
/** Above it a pixel is full, nanomaggies. */
const full = 40;
const wavelengths: Readonly<Record<SkyBand, number>> = { g: 481, r: 643, i: 783, z: 918 };
const seeings: Readonly<Record<SkyBand, number>> = { g: 1.25, r: 1.1, i: 1.0, z: 0.95 };

interface Grid {
  readonly name: string;
  readonly cards: readonly Card[];
  readonly width: number;
  readonly height: number;
}

const credit = 'Made by Darkroom: a sky that is not there.';
const example = { ra: fieldCentre[0], dec: fieldCentre[1] };
const bad = [
  { bit: maskBits.bad, name: 'bad pixel' },
  { bit: maskBits.saturated, name: 'saturated' },
  { bit: maskBits.bleed, name: 'bleed trail' },
];

/** Coadded tiles, two by two, that share an edge of some pixels: a file a tile and band, with image, weight and mask in rows of RICE. */
export function sampleCoadd({ tile }: SampleSize = usualSize): SampleSurvey {
  const overlap = Math.ceil(tile / 30);
  const grids = corners.map(([east, north], i): Grid => {
    const half = ((tile - overlap) / 2) * pixel;
    const place = placeOf(east * half, north * half);
    return { name: `C${i + 1}`, width: tile, height: tile, cards: tangent(place, tile, tile, pixel) };
  });
  const definition: SurveyDefinition = {
    name: 'sample-coadd',
    title: 'Sample: coadded tiles',
    release: '1',
    tile: { pattern: 'C\\d', example: 'C1' },
    wcs: 'TAN',
    unit: 'count',
    bands: (['g', 'r', 'i'] as const).map((name) => ({ name, wavelength: wavelengths[name], zeropoint: 30 })),
    planes: {
      image: { path: '{tile}/{tile}_{band}.fits.fz', hdu: 'SCI' },
      weight: { path: '{tile}/{tile}_{band}.fits.fz', hdu: 'WGT' },
      mask: { path: '{tile}/{tile}_{band}.fits.fz', hdu: 'MSK' },
    },
    mask: { bad, noData: maskBits.noData },
    readers: 'public',
    defaults: { size: '1arcmin', bands: ['i', 'r', 'g'], algorithm: 'lupton', stretch: 30, q: 8, minimum: 0 },
    limits: { size: '7arcmin', pixels: 4_000_000 },
    credit,
    licence: 'CC0-1.0',
    example,
  };
  return { definition, files: () => coaddFiles(grids, tile) };
}

const corners = [
  [-1, -1],
  [1, -1],
  [-1, 1],
  [1, 1],
] as const;
/** Wide enough for both surveys. */
export const skySide = (tile: number): number => 2.1 * tile * pixel;

function* coaddFiles(grids: readonly Grid[], tile: number): Iterable<SampleFile> {
  const sky = makeSky(skySide(tile));
  for (const [i, grid] of grids.entries())
    for (const band of ['g', 'r', 'i'] as const) {
      // A zero point of 30 where the sky's is 22.5.
      const planes = take(sky, grid, {
        band,
        unitFlux: 1000,
        seed: 100 + 10 * i + skyBands.indexOf(band),
        seeing: {},
      });
      const compress: RiceOptions = { dither: 'SUBTRACTIVE_DITHER_1' };
      const hdu = (plane: Plane, extname: string, unit: string): ImageHdu => ({
        plane,
        cards: [...cardsOf(grid, band, extname, unit, 30), ...grid.cards],
        compress,
      });
      const { image, mask, weight } = planes;
      const bytes = writeFits([
        hdu(image, 'SCI', 'count'),
        hdu(mask, 'MSK', ''),
        hdu(weight, 'WGT', '1/count^2'),
      ]);
      yield { path: `${grid.name}/${grid.name}_${band}.fits.fz`, bytes };
    }
}

/**
 * Bricks that overlap, in g and r, and exposures in z whose camera lies on its side and bends the sky (TPV): a file a plane, in squares of
 * RICE; one mask for all bands.
 */
export function sampleBricks({ tile }: SampleSize = usualSize): SampleSurvey {
  const side = Math.round(tile * 0.98);
  const spacing = Math.round(tile * 0.86);
  const bricks = corners.map(([east, north]): Grid => {
    const half = (spacing / 2) * 0.262;
    const place = placeOf(east * half, north * half);
    return { name: brickName(place), width: side, height: side, cards: tangent(place, side, side, 0.262) };
  });
  const exposures = [-0.3, 0, 0.3].map((shift, i): Grid => {
    const [width, height] = [Math.round(tile * 1.05), Math.round(tile * 1.4)];
    const place = placeOf(shift * tile * pixel, shift * 60);
    return { name: `e10${i + 1}`, width, height, cards: bent(place, width, height) };
  });
  const definition: SurveyDefinition = {
    name: 'sample-bricks',
    title: 'Sample: bricks and exposures',
    release: '1',
    tile: { pattern: '\\d{4}[pm]\\d{3}|e\\d{3}', example: '1500p021' },
    wcs: 'TAN',
    unit: 'nanomaggy',
    bands: [
      ...(['g', 'r'] as const).map((name) => ({ name, wavelength: wavelengths[name], zeropoint: 22.5 })),
      { name: 'z', wavelength: wavelengths.z, zeropoint: 22.5, wcs: 'TPV' as const },
    ],
    planes: {
      image: { path: '{tile}/{tile}-image-{band}.fits.fz' },
      weight: { path: '{tile}/{tile}-invvar-{band}.fits.fz', unit: '1/nanomaggy^2' },
      mask: { path: '{tile}/{tile}-mask-{band}.fits.fz' },
    },
    mask: { bad, noData: maskBits.noData },
    readers: 'public',
    defaults: {
      size: '1arcmin',
      bands: ['z', 'r', 'g'],
      algorithm: 'lupton',
      stretch: 0.03,
      q: 8,
      minimum: 0,
    },
    limits: { size: '7arcmin', pixels: 4_000_000 },
    credit,
    licence: 'CC0-1.0',
    example,
  };
  return { definition, files: () => brickFiles({ bricks, exposures, tile }) };
}

function* brickFiles(of: {
  bricks: readonly Grid[];
  exposures: readonly Grid[];
  tile: number;
}): Iterable<SampleFile> {
  const sky = makeSky(skySide(of.tile));
  const images = [
    ...of.bricks.flatMap((grid) => (['g', 'r'] as const).map((band) => ({ grid, band }))),
    ...of.exposures.map((grid) => ({ grid, band: 'z' as const })),
  ];
  for (const [i, { grid, band }] of images.entries()) {
    const planes = take(sky, grid, { band, unitFlux: 1, seed: 500 + i, seeing: { beta: 2.8 } });
    const compress: RiceOptions = { dither: 'SUBTRACTIVE_DITHER_2', tile: { width: 100, height: 100 } };
    const file = (plane: Plane, name: string, unit: string): SampleFile => ({
      path: `${grid.name}/${grid.name}-${name}-${band}.fits.fz`,
      bytes: writeFits([{ plane, cards: [...cardsOf(grid, band, '', unit, 22.5), ...grid.cards], compress }]),
    });
    yield file(planes.image, 'image', 'nanomaggy');
    yield file(planes.weight, 'invvar', '1/nanomaggy^2');
    yield file(planes.mask, 'mask', '');
  }
}

function take(
  sky: ReturnType<typeof makeSky>,
  grid: Grid,
  of: { band: SkyBand; unitFlux: number; seed: number; seeing: Partial<Seeing> },
) {
  const { band, unitFlux, seed } = of;
  return takeTile(sky, {
    wcs: parseWcs(new Header(grid.cards)),
    width: grid.width,
    height: grid.height,
    band: skyBands.indexOf(band),
    seeing: { fwhm: seeings[band], beta: 3.2, ...of.seeing },
    unitFlux,
    seed,
    noise: noise[band] * unitFlux,
    full: full * unitFlux,
  });
}

const cardsOf = (grid: Grid, band: SkyBand, extname: string, unit: string, zeropoint: number): Card[] => [
  ...(extname === '' ? [] : [card('EXTNAME', extname)]),
  card('OBJECT', grid.name, 'tile'),
  card('FILTER', band),
  ...(unit === '' ? [] : [card('BUNIT', unit)]),
  card('MAGZERO', zeropoint, '[mag] AB magnitude of one unit'),
];

/** North up and east left. */
function tangent(
  place: readonly [number, number],
  width: number,
  height: number,
  arcseconds: number,
): Card[] {
  const [ra, dec] = place;
  const scale = arcseconds / 3600;
  return [
    card('CTYPE1', 'RA---TAN'),
    card('CTYPE2', 'DEC--TAN'),
    card('CRVAL1', rounded(ra), '[deg]'),
    card('CRVAL2', rounded(dec), '[deg]'),
    card('CRPIX1', (width + 1) / 2),
    card('CRPIX2', (height + 1) / 2),
    card('CD1_1', -scale),
    card('CD1_2', 0),
    card('CD2_1', 0),
    card('CD2_2', scale),
    card('RADESYS', 'ICRS'),
  ];
}

/** A camera of many detectors, of which this is one: turned by 90°, its middle far outside, and bent by some pixels. */
function bent(place: readonly [number, number], width: number, height: number): Card[] {
  const [ra, dec] = place;
  const scale = pixel / 3600;
  // The middle of the camera lies so many pixels to the side of this detector's.
  const [right, up] = [1700, -900];
  const cd = { x: 1.3e-10, y: -scale, u: -scale, v: -2.1e-10 };
  return [
    card('CTYPE1', 'RA---TPV'),
    card('CTYPE2', 'DEC--TPV'),
    card('CRVAL1', rounded(ra + (cd.x * right + cd.y * up) / Math.cos((dec * Math.PI) / 180)), '[deg]'),
    card('CRVAL2', rounded(dec + cd.u * right + cd.v * up), '[deg]'),
    card('CRPIX1', (width + 1) / 2 + right),
    card('CRPIX2', (height + 1) / 2 + up),
    card('CD1_1', cd.x),
    card('CD1_2', cd.y),
    card('CD2_1', cd.u),
    card('CD2_2', cd.v),
    ...[0, 1, 0, 0, 4e-3, -2e-3, 1e-3, 6e-2].map((value, i) => card(`PV1_${i}`, value)),
    ...[0, 1, 0, 0, -3e-3, 1e-3, 2e-3, 5e-2].map((value, i) => card(`PV2_${i}`, value)),
    card('RADESYS', 'ICRS'),
  ];
}

const rounded = (degrees: number): number => Number(degrees.toFixed(9));

/** As the bricks of the Legacy Surveys are called: right ascension and declination in tenths of a degree. */
function brickName([ra, dec]: readonly [number, number]): string {
  const tenths = (degrees: number, digits: number) =>
    String(Math.trunc(Math.abs(degrees) * 10)).padStart(digits, '0');
  return `${tenths(ra, 4)}${dec < 0 ? 'm' : 'p'}${tenths(dec, 3)}`;
}
