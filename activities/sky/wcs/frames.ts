/**
 * Between ICRS and the frames of headers: FK5 of J2000, FK4 of B1950, galactic. Positions alone, without proper motion and parallax: an FK4
 * position is one of the epoch B1950. To a few milliarcseconds of what others compute, and to 1e-9 degree of astropy 8, whose way this is.
 */
import { cosine, latitude, longitude, sine, toVector } from './angle.ts';
import type { CelestialFrame, Wcs } from './wcs.ts';

/** Row by row. */
type Matrix = Float64Array;

const point = new Float64Array(3);

/** Degrees of {@link Wcs.frame} as ICRS. */
export function toIcrs(frame: CelestialFrame, lon: number, lat: number): [lon: number, lat: number] {
  if (frame === 'icrs') return [lon, lat];
  toVector(lon, lat, point, 0);
  vectorsToIcrs(frame, point);
  return [longitude(point[0]!, point[1]!), latitude(point[0]!, point[1]!, point[2]!)];
}

/** Degrees of ICRS as those of a frame: what {@link Wcs.toPixel} takes. */
export function fromIcrs(frame: CelestialFrame, lon: number, lat: number): [lon: number, lat: number] {
  if (frame === 'icrs') return [lon, lat];
  toVector(lon, lat, point, 0);
  vectorsFromIcrs(frame, point);
  return [longitude(point[0]!, point[1]!), latitude(point[0]!, point[1]!, point[2]!)];
}

/** Unit vectors, threes of numbers, turned where they stand. */
export function vectorsToIcrs(frame: CelestialFrame, vectors: Float64Array): void {
  if (frame === 'icrs') return;
  if (frame === 'fk4') withoutAberration(vectors);
  turn(TO_ICRS[frame], vectors);
}

/** Unit vectors, threes of numbers, turned where they stand. */
export function vectorsFromIcrs(frame: CelestialFrame, vectors: Float64Array): void {
  if (frame === 'icrs') return;
  turn(FROM_ICRS[frame], vectors);
  if (frame === 'fk4') withAberration(vectors);
}

const CHUNK = 1024;
const chunk = new Float64Array(3 * CHUNK);

/** Where pixels of one image lie on another: pairs x, y to pairs x, y, NaN where there is no place. `out` may be `pixels` itself. */
export function mapPixels(from: Wcs, to: Wcs, pixels: Float64Array, out: Float64Array): void {
  for (let i = 0; i < pixels.length; i += 2 * CHUNK) {
    const end = Math.min(i + 2 * CHUNK, pixels.length);
    const vectors = chunk.subarray(0, ((end - i) / 2) * 3);
    from.toVectors(pixels.subarray(i, end), vectors);
    if (from.frame !== to.frame) {
      vectorsToIcrs(from.frame, vectors);
      vectorsFromIcrs(to.frame, vectors);
    }
    to.fromVectors(vectors, out.subarray(i, end));
  }
}

function turn(m: Matrix, vectors: Float64Array): void {
  for (let i = 0; i < vectors.length; i += 3) {
    const x = vectors[i]!;
    const y = vectors[i + 1]!;
    const z = vectors[i + 2]!;
    vectors[i] = m[0]! * x + m[1]! * y + m[2]! * z;
    vectors[i + 1] = m[3]! * x + m[4]! * y + m[5]! * z;
    vectors[i + 2] = m[6]! * x + m[7]! * y + m[8]! * z;
  }
}

/**
 * The part of the annual aberration that FK4 leaves in its positions ("E-terms"): of an orbit of eccentricity 0.01673 with its perigee at
 * 282.08°, constant of aberration 20.496″, obliquity 23.4458°, all of B1950 (Explanatory Supplement 1992, 3.53; Smith et al. 1989, AJ 97, 265).
 */
const E_TERMS = [-1.6255741516894347e-6, -3.191905371563791e-7, -1.384290671929659e-7] as const;

function withoutAberration(vectors: Float64Array): void {
  const [a, b, c] = E_TERMS;
  for (let i = 0; i < vectors.length; i += 3) {
    const x = vectors[i]!;
    const y = vectors[i + 1]!;
    const z = vectors[i + 2]!;
    const along = 1 + a * x + b * y + c * z;
    unit(along * x - a, along * y - b, along * z - c, vectors, i);
  }
}

function withAberration(vectors: Float64Array): void {
  const [a, b, c] = E_TERMS;
  for (let i = 0; i < vectors.length; i += 3) {
    const x0 = vectors[i]! + a;
    const y0 = vectors[i + 1]! + b;
    const z0 = vectors[i + 2]! + c;
    let [x, y, z] = [x0, y0, z0];
    // Each time six digits more.
    for (let k = 0; k < 4; k++) {
      const along = 1 + a * x + b * y + c * z;
      x = x0 / along;
      y = y0 / along;
      z = z0 / along;
    }
    unit(x, y, z, vectors, i);
  }
}

function unit(x: number, y: number, z: number, out: Float64Array, at: number): void {
  const length = Math.sqrt(x * x + y * y + z * z);
  out[at] = x / length;
  out[at + 1] = y / length;
  out[at + 2] = z / length;
}

/** Axes turned by degrees about x, y or z. */
function about(axis: 0 | 1 | 2, degrees: number): Matrix {
  const c = cosine(degrees);
  const s = sine(degrees);
  const matrix = new Float64Array(9);
  const [i, j] = [(axis + 1) % 3, (axis + 2) % 3];
  matrix[axis * 4] = 1;
  matrix[i * 4] = c;
  matrix[j * 4] = c;
  matrix[i * 3 + j] = s;
  matrix[j * 3 + i] = -s;
  return matrix;
}

function times(a: Matrix, b: Matrix): Matrix {
  const product = new Float64Array(9);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      product[3 * i + j] = a[3 * i]! * b[j]! + a[3 * i + 1]! * b[3 + j]! + a[3 * i + 2]! * b[6 + j]!;
    }
  }
  return product;
}

function transposed(m: Matrix): Matrix {
  return Float64Array.of(m[0]!, m[3]!, m[6]!, m[1]!, m[4]!, m[7]!, m[2]!, m[5]!, m[8]!);
}

const MAS = 1 / 3_600_000;

/** Kaplan 2005, USNO Circular 179, section 3.5: the pole of J2000 and the equinox of FK5 beside ICRS. */
const FK5_TO_ICRS = transposed(
  times(about(0, 19.9 * MAS), times(about(1, 9.1 * MAS), about(2, -22.9 * MAS))),
);

/** Pole and longitude of the pole of J2000 as Reid & Brunthaler 2004 (ApJ 616, 872) have them of those of B1950 (IAU 1958), in FK5. */
const FK5_TO_GALACTIC = times(
  about(2, 180 - 122.9319185680026),
  times(about(1, 90 - 27.12825118085622), about(2, 192.8594812065348)),
);

/** Murray 1989 (A&A 218, 325), equation 28, with its equation 29 for positions of B1950: FK4 without E-terms to FK5. */
const FK4_TO_FK5 = Float64Array.of(
  0.9999256794956932,
  -0.01118148321804792,
  -0.004859003819783245,
  0.011181483236753272,
  0.9999374848933406,
  -2.7162594763660118e-5,
  0.004859003776738687,
  -2.7170293732259645e-5,
  0.9999881946023527,
);

const TO_ICRS: Readonly<Record<Exclude<CelestialFrame, 'icrs'>, Matrix>> = {
  fk5: FK5_TO_ICRS,
  fk4: times(FK5_TO_ICRS, FK4_TO_FK5),
  galactic: times(FK5_TO_ICRS, transposed(FK5_TO_GALACTIC)),
};

/** Of FK4 too, whose matrix turns no more than it should to 1e-9. */
const FROM_ICRS = {
  fk5: transposed(TO_ICRS.fk5),
  fk4: transposed(TO_ICRS.fk4),
  galactic: transposed(TO_ICRS.galactic),
};
