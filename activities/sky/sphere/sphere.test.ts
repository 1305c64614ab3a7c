import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { coveredArea } from './area.ts';
import { cellArea, cellCentre, cellOf, cellRadius, cellsOfCap, cellsOfPolygon } from './healpix.ts';
import {
  areaOf,
  contains,
  depthOf,
  distanceTo,
  inward,
  nearestTo,
  overlaps,
  overlapsCap,
  polygonOf,
  polygonOfSky,
  type SphericalPolygon,
} from './polygon.ts';
import { cross, degree, separation, toLonLat, toVector, towards, unit, type Vector } from './vector.ts';

const oracle: {
  orders: number[];
  cells: [lon: number, lat: number, ...number[]][];
  centres: [order: number, cell: number, lon: number, lat: number][];
} = JSON.parse(readFileSync(new URL('../../../test/oracle/sky/healpix.json', import.meta.url), 'utf8'));

/** A square of that side (degrees) about a place, turned by an angle. */
function square(lon: number, lat: number, side: number, turn = 0): SphericalPolygon {
  const centre = toVector(lon, lat);
  const other: Vector = Math.abs(centre[2]) > 0.9 ? [1, 0, 0] : [0, 0, 1];
  const east = unit(cross(other, centre));
  const north = cross(centre, east);
  const half = Math.tan((side / 2) * degree);
  return polygonOf(
    [45, 135, 225, 315].map((angle) => {
      const [c, s] = [Math.cos((angle + turn) * degree), Math.sin((angle + turn) * degree)];
      const [x, y] = [half * Math.SQRT2 * c, half * Math.SQRT2 * s];
      return unit([
        centre[0] + x * east[0] + y * north[0],
        centre[1] + x * east[1] + y * north[1],
        centre[2] + x * east[2] + y * north[2],
      ]);
    }),
  );
}

/** Places where arithmetic of angles goes wrong. */
const places: [name: string, lon: number, lat: number][] = [
  ['the equator', 123, 0],
  ['right ascension 0', 0, 20],
  ['just below 360', 359.999, -45],
  ['the north pole', 0, 90],
  ['beside the south pole', 211, -89.9],
  ['mid latitudes', 45, 60],
];

/** Numbers 0 ≤ n < 1, the same at each run. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

function randomPlaces(count: number, about: Vector, radius: number): Vector[] {
  const random = numbers(7);
  const other = towards(about, Math.abs(about[2]) > 0.9 ? [1, 0, 0] : [0, 0, 1], 90);
  const side = cross(about, other);
  return Array.from({ length: count }, () => {
    const [far, angle] = [Math.sqrt(random.next().value!) * radius, random.next().value! * 2 * Math.PI];
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const to: Vector = [other[0] * c + side[0] * s, other[1] * c + side[1] * s, other[2] * c + side[2] * s];
    return towards(about, to, far);
  });
}

describe('vectors', () => {
  it('are longitude and latitude, there and back', () => {
    for (const [, lon, lat] of places) {
      const [l, b] = toLonLat(toVector(lon, lat));
      expect(b).toBeCloseTo(lat, 12);
      if (Math.abs(lat) < 90) expect(l).toBeCloseTo(lon, 10);
    }
    expect(toLonLat([1, -1e-30, 0])).toEqual([0, 0]);
  });

  it('tell angles of a milli-arcsecond and of 180 degrees', () => {
    const mas = 1 / 3_600_000;
    expect(separation(toVector(0, 0), toVector(mas, 0)) / mas).toBeCloseTo(1, 9);
    expect(separation(toVector(10, 5), toVector(190, -5))).toBeCloseTo(180, 10);
  });
});

describe.each(places)('a polygon at %s', (_, lon, lat) => {
  const centre = toVector(lon, lat);
  const polygon = square(lon, lat, 0.5, 20);

  it('holds what lies inside, and says how deep', () => {
    expect(contains(polygon, centre)).toBe(true);
    expect(depthOf(polygon, centre)).toBeCloseTo(0.25, 5);
    expect(distanceTo(polygon, centre)).toBe(0);
    expect(contains(polygon, [-centre[0], -centre[1], -centre[2]])).toBe(false);
  });

  it('has the area of a square, whichever way round its corners come', () => {
    // On a plane, less by a hair on the sphere.
    expect(areaOf(polygon)).toBeCloseTo(0.25, 4);
    expect(areaOf(polygonOf(polygon.vertices.toReversed()))).toBeCloseTo(areaOf(polygon), 12);
  });

  it('is nearest at its side or its corner', () => {
    const corner = polygon.vertices[0]!;
    const beyond = towards(corner, centre, -0.3);
    expect(separation(nearestTo(polygon, beyond), corner)).toBeLessThan(1e-9);
    expect(distanceTo(polygon, beyond)).toBeCloseTo(0.3, 9);
    const [a, b] = polygon.vertices as [Vector, Vector];
    const middle = unit([a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
    const aside = towards(middle, centre, -0.1);
    const nearest = nearestTo(polygon, aside);
    expect(separation(nearest, middle)).toBeLessThan(1e-9);
    expect(contains(polygon, inward(polygon, nearest, 1e-6))).toBe(true);
  });

  it('overlaps caps and other polygons', () => {
    expect(overlapsCap(polygon, towards(centre, polygon.vertices[0]!, 0.45), 0.1)).toBe(true);
    expect(overlapsCap(polygon, towards(centre, polygon.vertices[0]!, 0.5), 0.1)).toBe(false);
    expect(overlapsCap(polygon, towards(centre, polygon.vertices[0]!, 60), 90)).toBe(true);
    expect(overlaps(polygon, polygon)).toBe(true);
    expect(overlaps(polygon, square(lon, lat, 0.01))).toBe(true);
    expect(overlaps(square(lon, lat, 5), polygon)).toBe(true);
    // A cross: no corner of either lies in the other.
    const bar = (turn: number) =>
      polygonOf(
        [-1, 1, 1, -1].map((side, i) => {
          const end = towards(centre, polygon.vertices[0]!, i < 2 ? 1 : -1);
          const [x, y, z] = cross(centre, end);
          const wide: Vector = unit([
            end[0] + side * 0.05 * x,
            end[1] + side * 0.05 * y,
            end[2] + side * 0.05 * z,
          ]);
          const [c, s] = [Math.cos(turn * degree), Math.sin(turn * degree)];
          const [p, q, r] = cross(centre, wide);
          const along = centre[0] * wide[0] + centre[1] * wide[1] + centre[2] * wide[2];
          return unit([
            wide[0] * c + p * s + centre[0] * along * (1 - c),
            wide[1] * c + q * s + centre[1] * along * (1 - c),
            wide[2] * c + r * s + centre[2] * along * (1 - c),
          ]);
        }),
      );
    expect(overlaps(bar(0), bar(90))).toBe(true);
    const away = toLonLat(towards(centre, polygon.vertices[0]!, 0.8));
    expect(overlaps(polygon, square(...away, 0.3))).toBe(false);
  });

  it('agrees with its cells for each of a thousand places about it', () => {
    const cells = new Set(cellsOfPolygon(polygon, 10));
    let inside = 0;
    for (const place of randomPlaces(1000, centre, 0.5)) {
      if (!contains(polygon, place)) continue;
      inside++;
      expect(cells.has(cellOf(place, 10))).toBe(true);
    }
    // A share of the cap's area, π/4.
    expect(inside / 1000).toBeCloseTo(0.25 / (Math.PI * 0.25), 1);
    // And not many more than that.
    expect(cells.size).toBeLessThan(0.25 / cellArea(10) + ((4 * 0.5) / Math.sqrt(cellArea(10))) * 3);
  });
});

describe('polygons', () => {
  it('may be hollow', () => {
    // An L: the corner that is cut out is not inside.
    const corners = [
      [0, 0],
      [2, 0],
      [2, 1],
      [1, 1],
      [1, 2],
      [0, 2],
    ] as const;
    const polygon = polygonOfSky(corners);
    expect(contains(polygon, toVector(0.5, 1.5))).toBe(true);
    expect(contains(polygon, toVector(1.5, 0.5))).toBe(true);
    expect(contains(polygon, toVector(1.5, 1.5))).toBe(false);
    expect(areaOf(polygon)).toBeCloseTo(3, 2);
  });

  it('of an octant have an eighth of the sphere', () => {
    expect(
      areaOf(
        polygonOfSky([
          [0, 0],
          [90, 0],
          [0, 90],
        ]),
      ),
    ).toBeCloseTo(41_252.96 / 8, 1);
  });

  it('are refused where they are none, or too wide', () => {
    expect(() =>
      polygonOfSky([
        [0, 0],
        [1, 0],
      ]),
    ).toThrow('has no three corners');
    expect(() =>
      polygonOfSky([
        [0, 0],
        [1, 0],
        [1, 0],
        [0, 0],
      ]),
    ).toThrow('has no three corners');
    expect(() =>
      polygonOfSky([
        [0, 0],
        [1, Number.NaN],
        [2, 3],
      ]),
    ).toThrow('has no three corners');
    expect(() =>
      polygonOfSky([
        [0, -4],
        [120, -4],
        [240, -4],
      ]),
    ).toThrow('reaches');
  });

  it('cover together what one of them covers', () => {
    const [a, b] = [square(359.9, 10, 0.4), square(0.1, 10, 0.4)];
    // Side by side by 0.2° × cos 10°.
    const together = 0.4 * (0.4 + 0.2 * Math.cos(10 * degree));
    expect(coveredArea([a, b, a]) / together).toBeCloseTo(1, 2);
    expect(coveredArea([])).toBe(0);
  });
});

describe('HEALPix cells', () => {
  it('are those of astropy_healpix', () => {
    for (const [lon, lat, ...cells] of oracle.cells) {
      const place = toVector(lon, lat);
      expect({ lon, lat, cells: oracle.orders.map((order) => cellOf(place, order)) }).toEqual({
        lon,
        lat,
        cells,
      });
    }
  });

  it('have its centres, to a micro-arcsecond', () => {
    for (const [order, cell, lon, lat] of oracle.centres) {
      const centre = cellCentre(cell, order);
      expect(separation(centre, toVector(lon, lat))).toBeLessThan(3e-10);
      expect(cellOf(centre, order)).toBe(cell);
    }
  });

  it('lie within their radius', () => {
    const places = randomPlaces(3000, [0, 0, 1], 180);
    for (const order of [0, 3, 8])
      for (const place of places)
        expect(separation(place, cellCentre(cellOf(place, order), order))).toBeLessThan(
          cellRadius(order) + 1e-9,
        );
  });

  it('of a cap are all that it meets, at every order', () => {
    const centre = toVector(0.01, -89.7);
    for (const order of [3, 6, 9]) {
      const cells = new Set(cellsOfCap(centre, 1.5, order));
      for (const place of randomPlaces(500, centre, 1.5)) expect(cells.has(cellOf(place, order))).toBe(true);
    }
    expect(cellsOfCap(centre, 180, 2)).toHaveLength(192);
  });
});
