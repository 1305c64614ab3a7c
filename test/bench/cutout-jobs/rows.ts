/** Positions of a catalogue over the tiles of a survey, and the lists that they are sent as. */
import { tangentWcs } from '@darkroom/sky';
import { degreesOf, randomOf } from '../cutouts/tiles.ts';
import { placeOf } from './sky.ts';

export interface Row {
  readonly id: string;
  /** Degrees, ICRS. */
  readonly ra: number;
  readonly dec: number;
  /** Number of the tile that the whole cutout lies on. */
  readonly tile: number;
}

export interface RowsSpec {
  readonly rows: number;
  /** Tiles that they are spread over, evenly. */
  readonly tiles: number;
  /** Pixels of a tile's side, and of a cutout's. */
  readonly size: number;
  readonly stamp: number;
  readonly seed?: number;
}

/** As a catalogue has them: in no order of the sky. The same for the same `seed`. */
export function rowsOf({ rows, tiles, size, stamp, seed = 1 }: RowsSpec): Row[] {
  const random = randomOf(seed);
  const grids = Array.from({ length: tiles }, (_, tile) => {
    const { ra, dec } = placeOf(tile);
    return tangentWcs({ lon: ra, lat: dec, width: size, height: size, pixelScale: degreesOf(1) });
  });
  // Half a cutout and a pixel from the edge; never near the place where one pixel becomes the next, which no two programs need see alike.
  const pixel = (): number =>
    Math.floor(stamp / 2 + 1 + random() * (size - stamp - 2)) + 0.1 + 0.8 * random();
  const found = Array.from({ length: rows }, (_, i) => {
    const tile = i % tiles;
    const [ra, dec] = grids[tile]!.toSky(pixel(), pixel());
    return { ra: rounded(ra), dec: rounded(dec), tile };
  });
  for (let i = found.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [found[i], found[other]] = [found[other]!, found[i]!];
  }
  return found.map((row, i) => ({ id: `S${String(i + 1).padStart(6, '0')}`, ...row }));
}

/** Eight places: a ten-thousandth of a pixel. */
const rounded = (degrees: number): number => Number(degrees.toFixed(8));

/** The list of a job. */
export const csvOf = (rows: readonly Row[]): string =>
  ['id,ra,dec', ...rows.map(({ id, ra, dec }) => `${id},${ra.toFixed(8)},${dec.toFixed(8)}`), ''].join('\n');

/** The catalogue that Cutana takes: each row names the file of its tile, and the pixels of its side. */
export const catalogueOf = (rows: readonly Row[], files: readonly string[], stamp: number): string =>
  [
    'SourceID,RA,Dec,diameter_pixel,fits_file_paths',
    ...rows.map(
      ({ id, ra, dec, tile }) => `${id},${ra.toFixed(8)},${dec.toFixed(8)},${stamp},"['${files[tile]}']"`,
    ),
    '',
  ].join('\n');
