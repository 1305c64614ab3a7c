import { describe, expect, it } from 'vitest';
import { headerOf, tanCards } from '../mosaic/testing.ts';
import { toVector } from '../sphere/vector.ts';
import { toIcrs } from '../wcs/frames.ts';
import { parseWcs } from '../wcs/parse.ts';
import type { Wcs } from '../wcs/wcs.ts';
import { directionAt, orientationOf, oriented, placeIn, type SkyDirection } from './orientation.ts';
import type { Raster } from './raster.ts';

const degree = Math.PI / 180;
type Cd = readonly [number, number, number, number];
type Grid = Parameters<typeof directionAt>[0] & Pick<Wcs, 'toSky' | 'toPixel'>;

/** A tangent plane about a place on the sky, whose middle is at pixel `at`: CD1_1 CD1_2 CD2_1 CD2_2 in degrees. */
function tangent([lon0, lat0]: readonly [number, number], at: readonly [number, number], cd: Cd): Grid {
  const determinant = cd[0] * cd[3] - cd[1] * cd[2];
  const [sin0, cos0] = [Math.sin(lat0 * degree), Math.cos(lat0 * degree)];
  const toSky = (x: number, y: number): [number, number] => {
    const [dx, dy] = [x - at[0], y - at[1]];
    const xi = (cd[0] * dx + cd[1] * dy) * degree;
    const eta = (cd[2] * dx + cd[3] * dy) * degree;
    const lon = lon0 + Math.atan2(xi, cos0 - eta * sin0) / degree;
    const lat = Math.atan2(sin0 + eta * cos0, Math.hypot(xi, cos0 - eta * sin0)) / degree;
    return [(lon + 360) % 360, lat];
  };
  return {
    frame: 'icrs',
    pixelScale: Math.sqrt(Math.abs(determinant)),
    toSky,
    toVectors(pixels: Float64Array, out: Float64Array) {
      for (let i = 0; i < pixels.length; i += 2)
        out.set(toVector(...toSky(pixels[i]!, pixels[i + 1]!)), (i / 2) * 3);
    },
    toPixel(lon, lat) {
      const [sin, cos] = [Math.sin(lat * degree), Math.cos(lat * degree)];
      const turn = (lon - lon0) * degree;
      const depth = sin0 * sin + cos0 * cos * Math.cos(turn);
      const xi = (cos * Math.sin(turn)) / depth / degree;
      const eta = (cos0 * sin - sin0 * cos * Math.cos(turn)) / depth / degree;
      return [
        at[0] + (cd[3] * xi - cd[1] * eta) / determinant,
        at[1] + (cd[0] * eta - cd[2] * xi) / determinant,
      ];
    },
  };
}

/** On the sky: north at the top, east at the left. */
const f = ['.......', '.####..', '.#.....', '.###...', '.#.....', '.#.....', '.......', '.......', '.......'];
const scale = 0.3 / 3600;
const middle = [3, 4] as const;

/** What a camera with that WCS records of the F: each pixel asks the sky. Rows in the order of the file. */
function recorded(
  wcs: Pick<Wcs, 'toSky'>,
  width: number,
  height: number,
  centre: readonly [number, number],
): Raster {
  const upright = tangent(centre, middle, [-scale, 0, 0, -scale]);
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [across, down] = upright.toPixel(...wcs.toSky(x, y));
      if (f[Math.round(down)]?.[Math.round(across)] === '#') data[y * width + x] = 1;
    }
  return { width, height, channels: 1, data };
}

const shown = ({ width, height, channels, data }: Raster) =>
  Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => (data[(y * width + x) * channels] ? '#' : '.')).join(''),
  );

const grids = [
  { named: 'east left, north up (most archives)', cd: [-1, 0, 0, 1] },
  { named: 'east right, north up', cd: [1, 0, 0, 1] },
  { named: 'east left, north down', cd: [-1, 0, 0, -1] },
  { named: 'east right, north down', cd: [1, 0, 0, -1] },
  { named: 'turned by 90° (CD1_1 nearly 0)', cd: [1e-10, 1, 1, 0] },
  { named: 'turned by 90°, mirrored', cd: [0, -1, 1, 1e-10] },
  { named: 'turned by −90°', cd: [0, -1, -1, 0] },
  { named: 'turned by −90°, mirrored', cd: [0, 1, -1, 0] },
] as const;

describe('the orientation of pictures', () => {
  for (const centre of [
    [150.1, 2.2],
    [0, -60],
    [37, 89.99],
  ] as const) {
    it.each(grids)(`shows an F as it is on the sky, ${centre[0]}° ${centre[1]}°: $named`, ({ cd }) => {
      const turned = Math.abs(cd[0]) < 0.5;
      const [width, height] = turned ? [9, 7] : [7, 9];
      const wcs = tangent(
        centre,
        [(width - 1) / 2, (height - 1) / 2],
        cd.map((value) => value * scale) as unknown as Cd,
      );
      const file = recorded(wcs, width, height, centre);
      const direction = directionAt(wcs, (width - 1) / 2, (height - 1) / 2);
      const northUp = orientationOf(direction, 'north-up');
      expect(shown(oriented(file, northUp))).toEqual(f);
      expect(Math.abs(northUp.north)).toBeLessThan(0.01);
      expect(northUp.east).toBe('left');
      // The file's own grid: first row at the bottom.
      const pixels = orientationOf(direction, 'pixels');
      expect(shown(oriented(file, pixels))).toEqual(shown(file).toReversed());
      expect(pixels).toMatchObject({ mirrored: false, turns: 0, east: pixels.east });
      expect(pixels.east).toBe(direction.parity === 1 ? 'left' : 'right');
    });
  }

  it.each([
    // Beyond the pole of ICRS, where galactic north is south.
    { l: 122.9319185680026, b: 60, turns: 2 },
    { l: 92.9319185680026, b: 30.613, turns: 1 },
    { l: 152.9319185680026, b: 30.613, turns: 3 },
  ])('shows a galactic tile with the north of ICRS up: $l, $b', ({ l, b, turns }) => {
    const [width, height] = turns === 2 ? [7, 9] : [9, 7];
    const galactic = parseWcs(
      headerOf({
        ...tanCards(l, b, (width + 1) / 2, (height + 1) / 2, scale, 0),
        CTYPE1: 'GLON-TAN',
        CTYPE2: 'GLAT-TAN',
      }),
    );
    const [x, y] = [(width - 1) / 2, (height - 1) / 2];
    const toSky = (px: number, py: number) => toIcrs('galactic', ...galactic.toSky(px, py));
    const file = recorded({ toSky }, width, height, toSky(x, y));
    const orientation = orientationOf(directionAt(galactic, x, y), 'north-up');
    expect(orientation).toMatchObject({ turns, mirrored: false });
    expect(Math.abs(orientation.north)).toBeLessThan(0.01);
    expect(shown(oriented(file, orientation))).toEqual(f);
  });

  it('turns to the nearest quarter and says what is left of the angle', () => {
    for (const [north, turns, left] of [
      [10, 0, 10],
      [-44, 0, -44],
      [46, 1, -44],
      [100, 1, 10],
      [-91, 3, -1],
      [179, 2, -1],
      [-179, 2, 1],
    ] as const) {
      const orientation = orientationOf({ north, parity: 1 }, 'north-up');
      expect(orientation.turns).toBe(turns);
      expect(orientation.north).toBeCloseTo(left, 9);
      const mirrored = orientationOf({ north: -north, parity: -1 }, 'north-up');
      expect(mirrored).toMatchObject({ turns, mirrored: true });
      expect(mirrored.north).toBeCloseTo(left, 9);
    }
    expect(orientationOf({ north: 0, parity: 1 }, 'north-up').north).toBe(0);
  });

  it('measures the angle of a turned grid where it is, also beside a pole', () => {
    for (const [centre, angle] of [
      [[10, 20], 30],
      [[10, -89.999], 12],
    ] as const) {
      // East left, north up, turned clockwise: north lies to the right of up.
      const [cos, sin] = [Math.cos(angle * degree) * scale, Math.sin(angle * degree) * scale];
      const wcs = tangent(centre, [5, 5], [-cos, sin, sin, cos]);
      const direction = directionAt(wcs, 5, 5);
      expect(direction.north).toBeCloseTo(-angle, 3);
      expect(direction.parity).toBe(1);
    }
  });

  it('carries positions along with the pixels, in all eight ways', () => {
    const [width, height] = [5, 3];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => i);
    const file: Raster = { width, height, channels: 3, data };
    const seen = new Set<string>();
    for (const parity of [1, -1] as const)
      for (const north of [0, 90, 180, -90]) {
        const orientation = orientationOf({ north, parity } satisfies SkyDirection, 'north-up');
        const picture = oriented(file, orientation);
        seen.add(picture.data.join());
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++) {
            const [toX, toY] = placeIn(orientation, file, x, y);
            for (let c = 0; c < 3; c++)
              expect(picture.data[(toY * picture.width + toX) * 3 + c]).toBe(data[(y * width + x) * 3 + c]);
          }
      }
    expect(seen.size).toBe(8);
  });
});
