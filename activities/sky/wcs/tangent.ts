/** Fresh grids: a tangential projection without a distortion, for mosaics and cuts that are resampled. */
import type { Card } from '../fits/card.ts';
import { cosine, sine } from './angle.ts';
import { CelestialWcs } from './transform/celestial.ts';
import type { Wcs } from './wcs.ts';

export interface TangentGrid {
  /** ICRS, degrees: of the middle of the image. */
  readonly lon: number;
  readonly lat: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Degrees a pixel. */
  readonly pixelScale: number;
  /** Degrees from north to y (up), towards east; 0 where left out: north is up and east is left. */
  readonly rotation?: number;
}

/** [degrees east by x, by y, degrees north by x, by y]. */
function matrix({ pixelScale, rotation = 0 }: TangentGrid): [number, number, number, number] {
  const [c, s] = [pixelScale * cosine(rotation), pixelScale * sine(rotation)];
  return [-c, s, s, c];
}

/** Cards of its WCS, in the order of the standard. */
export function tangentHeader(grid: TangentGrid): Card[] {
  const [cd11, cd12, cd21, cd22] = matrix(grid);
  const card = (keyword: string, value: string | number, comment: string): Card => ({
    keyword,
    value,
    comment,
  });
  return [
    card('WCSAXES', 2, 'number of coordinate axes'),
    card('CTYPE1', 'RA---TAN', 'right ascension, tangential projection'),
    card('CTYPE2', 'DEC--TAN', 'declination, tangential projection'),
    card('CUNIT1', 'deg', ''),
    card('CUNIT2', 'deg', ''),
    card('CRPIX1', (grid.width + 1) / 2, 'pixel of CRVAL, the first is 1'),
    card('CRPIX2', (grid.height + 1) / 2, 'pixel of CRVAL, the first is 1'),
    card('CRVAL1', grid.lon, '[deg] right ascension of the middle'),
    card('CRVAL2', grid.lat, '[deg] declination of the middle'),
    card('CD1_1', cd11, '[deg/pixel]'),
    card('CD1_2', cd12, '[deg/pixel]'),
    card('CD2_1', cd21, '[deg/pixel]'),
    card('CD2_2', cd22, '[deg/pixel]'),
    // Said aloud: where the middle is the pole the default is another.
    card('LONPOLE', 180, '[deg]'),
    card('RADESYS', 'ICRS', ''),
  ];
}

/** The same as `parseWcs` reads of {@link tangentHeader}. */
export function tangentWcs(grid: TangentGrid): Wcs {
  return new CelestialWcs({
    frame: 'icrs',
    projection: 'TAN',
    reference: [(grid.width - 1) / 2, (grid.height - 1) / 2],
    matrix: matrix(grid),
    centre: [grid.lon, grid.lat],
    lonPole: 180,
    slant: [0, 0],
    before: undefined,
    after: undefined,
  });
}
