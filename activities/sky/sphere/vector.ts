/** Directions as unit vectors: no pole and no meridian is special to them. */

/** x points to longitude 0, y to longitude 90, z to the north pole; of length 1 unless said otherwise. */
export type Vector = readonly [x: number, y: number, z: number];

export const degree = Math.PI / 180;

/** The unit vector of a longitude and a latitude in degrees. */
export function toVector(lon: number, lat: number): Vector {
  const [l, b] = [lon * degree, lat * degree];
  const across = Math.cos(b);
  return [across * Math.cos(l), across * Math.sin(l), Math.sin(b)];
}

/** Longitude 0 ≤ lon < 360 and latitude, degrees, of a vector of any length. */
export function toLonLat([x, y, z]: Vector): [lon: number, lat: number] {
  const lon = Math.atan2(y, x) / degree;
  // A longitude a hair below 0 becomes 360 by rounding.
  const turned = lon < 0 ? lon + 360 : lon;
  return [turned >= 360 ? 0 : turned, Math.atan2(z, Math.hypot(x, y)) / degree];
}

export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** At right angles to both; its length is the sine of the angle between them. */
export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

/** a · (b × c): positive where c lies to the left of the way from a to b. */
export const triple = (a: Vector, b: Vector, c: Vector): number =>
  a[0] * (b[1] * c[2] - b[2] * c[1]) +
  a[1] * (b[2] * c[0] - b[0] * c[2]) +
  a[2] * (b[0] * c[1] - b[1] * c[0]);

/** The unit vector of that direction. */
export function unit([x, y, z]: Vector): Vector {
  const length = Math.hypot(x, y, z);
  return [x / length, y / length, z / length];
}

/** Degrees between two vectors of any length, exact for small angles and large ones. */
export function separation(a: Vector, b: Vector): number {
  const [x, y, z] = cross(a, b);
  return Math.atan2(Math.hypot(x, y, z), dot(a, b)) / degree;
}

/** So many degrees from `a` on the great circle towards `b`, which is neither `a` nor opposite to it. */
export function towards(a: Vector, b: Vector, degrees: number): Vector {
  const along = unit(cross(cross(a, b), a));
  const [c, s] = [Math.cos(degrees * degree), Math.sin(degrees * degree)];
  return unit([a[0] * c + along[0] * s, a[1] * c + along[1] * s, a[2] * c + along[2] * s]);
}
