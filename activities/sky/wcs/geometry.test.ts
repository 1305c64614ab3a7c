import { describe, expect, it } from 'vitest';
import { Header } from '../fits/header/header.ts';
import { footprint, localScale, pixelArea, pixelScales } from './geometry.ts';
import { parseWcs } from './parse.ts';
import { tangentHeader, tangentWcs } from './tangent.ts';
import { apart, headerOfText, recordedText, tan } from './testing.ts';

describe('about a pixel', () => {
  it('TAN: its area shrinks with the cube of the cosine of the distance', () => {
    const wcs = parseWcs(tan({ CD1_1: -0.05, CD2_2: 0.05, CRVAL2: 61 }));
    for (const [x, y] of [
      [299.5, 199.5],
      [0, 0],
      [599, 10],
    ] as const) {
      const tangent = (Math.hypot(x - 299.5, y - 199.5) * 0.05 * Math.PI) / 180;
      expect(pixelArea(wcs, x, y) / (0.05 ** 2 * Math.cos(Math.atan(tangent)) ** 3)).toBeCloseTo(1, 8);
    }
  });

  it('scales of both axes, and steps to the east and the north', () => {
    const wcs = parseWcs(tan({ CD1_1: -3e-4, CD2_2: 2e-4 }));
    const [x, y] = pixelScales(wcs, 299.5, 199.5);
    expect(x).toBeCloseTo(3e-4, 12);
    expect(y).toBeCloseTo(2e-4, 12);
    const local = localScale(wcs, 299.5, 199.5);
    expect(local.eastByX).toBeCloseTo(-3e-4, 12);
    expect(local.northByY).toBeCloseTo(2e-4, 12);
    expect(Math.abs(local.eastByY) + Math.abs(local.northByX)).toBeLessThan(1e-12);
  });

  it('the scale of a chip far from CRPIX is that of its distortion', () => {
    const wcs = parseWcs(headerOfText(recordedText('tpvonly')));
    const [lon, lat] = wcs.toSky(1000, 2000);
    const [next, nextLat] = wcs.toSky(1001, 2000);
    expect(pixelScales(wcs, 1000.5, 2000)[0]).toBeCloseTo(apart(lon, lat, next, nextLat), 10);
  });
});

describe('east and north', () => {
  it('of a turned grid', () => {
    // y stands 30° east of north, and x 60° west of it.
    const wcs = tangentWcs({ lon: 210, lat: 54, width: 100, height: 80, pixelScale: 1e-4, rotation: 30 });
    const { eastByX, eastByY, northByX, northByY } = localScale(wcs, 49.5, 39.5);
    const half = 0.5e-4;
    expect(eastByY).toBeCloseTo(half, 12);
    expect(northByY).toBeCloseTo(Math.sqrt(3) * half, 12);
    expect(eastByX).toBeCloseTo(-Math.sqrt(3) * half, 12);
    expect(northByX).toBeCloseTo(half, 12);
  });

  it('are those of ICRS in a galactic image too', () => {
    const { eastByY, northByY } = localScale(parseWcs(headerOfText(recordedText('galactic'))), 299.5, 199.5);
    // The direction of the galactic pole there, from north to east, as astropy's position_angle has it.
    expect((Math.atan2(eastByY, northByY) * 180) / Math.PI).toBeCloseTo(-58.660224066, 6);
  });
});

describe('footprint', () => {
  it('corners of the outer edges, counter-clockwise in pixels', () => {
    const wcs = parseWcs(tan({ CRVAL1: 0, CRVAL2: 0 }));
    const corners = footprint(wcs, 600, 400);
    expect(corners).toEqual([
      wcs.toSky(-0.5, -0.5),
      wcs.toSky(599.5, -0.5),
      wcs.toSky(599.5, 399.5),
      wcs.toSky(-0.5, 399.5),
    ]);
    expect(footprint(wcs, 600, 400, 3)).toHaveLength(12);
    expect(apart(...footprint(wcs, 600, 400, 3)[4]!, ...wcs.toSky(599.5, -0.5 + 400 / 3))).toBeLessThan(
      1e-12,
    );
  });

  it('in ICRS, whatever the frame', () => {
    const wcs = parseWcs(headerOfText(recordedText('galactic')));
    for (const [lon, lat] of footprint(wcs, 600, 400, 4))
      expect(apart(lon, lat, 266.4, -28.94)).toBeLessThan(0.2);
  });

  it('refused where an edge is not on the sky', () => {
    expect(() => footprint(parseWcs(headerOfText(recordedText('sin-wide'))), 600, 400)).toThrow(/no sky/);
  });
});

describe('a fresh grid', () => {
  it.each([
    [10, 20, 0],
    [359.99, -89.9, 33],
    [120, 90, -45],
    [0, -90, 90],
  ])('about %s, %s turned by %s°: its header is read as what it is', (lon, lat, rotation) => {
    const grid = { lon, lat, rotation, width: 301, height: 200, pixelScale: 7e-5 };
    const made = tangentWcs(grid);
    const read = parseWcs(new Header(tangentHeader(grid)));
    expect(read.frame).toBe('icrs');
    for (const [x, y] of [
      [0, 0],
      [300, 150],
      [150, 99.5],
    ] as const) {
      expect(read.toSky(x, y)).toEqual(made.toSky(x, y));
    }
    expect(apart(...made.toSky(150, 99.5), lon, lat)).toBeLessThan(1e-13);
    expect(made.pixelScale).toBeCloseTo(7e-5, 15);
  });

  it('has no dust of a cosine of 90°', () => {
    const cards = tangentHeader({ lon: 1, lat: 2, rotation: 90, width: 2, height: 2, pixelScale: 1e-3 });
    const values = ['CD1_1', 'CD1_2', 'CD2_1', 'CD2_2'].map(
      (name) => cards.find((card) => card.keyword === name)?.value,
    );
    expect(values.map((value) => (value as number) + 0)).toEqual([0, 1e-3, 1e-3, 0]);
  });
});
