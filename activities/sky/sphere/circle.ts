/** Circles on the sphere as polygons. */
import { polygonOf, type SphericalPolygon } from './polygon.ts';
import { cross, degree, unit, type Vector } from './vector.ts';

const corners = 16;

/** A polygon about `centre` that contains all places within `radius` degrees (below 80), and none that is much farther: its sides touch the circle. */
export function circleAround(centre: Vector, radius: number): SphericalPolygon {
  const [, , z] = centre;
  const across = unit(cross(centre, Math.abs(z) < 0.9 ? [0, 0, 1] : [1, 0, 0]));
  const up = cross(centre, across);
  const tangent = Math.tan(radius * degree) / Math.cos(Math.PI / corners);
  return polygonOf(
    Array.from({ length: corners }, (_, i) => {
      const angle = (2 * Math.PI * i) / corners;
      const [a, b] = [Math.cos(angle) * tangent, Math.sin(angle) * tangent];
      return unit([
        centre[0] + a * across[0] + b * up[0],
        centre[1] + a * across[1] + b * up[1],
        centre[2] + a * across[2] + b * up[2],
      ]);
    }),
  );
}
