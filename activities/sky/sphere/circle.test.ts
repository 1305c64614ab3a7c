import { expect, it } from 'vitest';
import { circleAround } from './circle.ts';
import { contains } from './polygon.ts';
import { toVector, towards } from './vector.ts';

it.each([
  [0.01, 0, 0],
  [359.99, -89.999, 0.01],
  [12, 90, 0.5],
  [200, 45, 3],
])(
  'a circle about %f, %f of %f degrees has what lies within, at the poles and at right ascension 0 too',
  (lon, lat, given) => {
    const radius = given || 0.02;
    const centre = toVector(lon, lat);
    const circle = circleAround(centre, radius);
    for (const to of [
      toVector(lon + 90, 0),
      toVector(lon, lat > 0 ? lat - 80 : lat + 80),
      toVector(lon + 180, 10),
    ]) {
      expect(contains(circle, towards(centre, to, radius * 0.999))).toBe(true);
      expect(contains(circle, towards(centre, to, radius * 1.05))).toBe(false);
    }
  },
);
