/** The chain of the standard (Greisen & Calabretta 2002, Calabretta & Greisen 2002), pixels to unit vectors and back. */
import { cosine, DEGREE, latitude, longitude, sine, toVector } from '../angle.ts';
import type { CelestialFrame, Projection, Wcs } from '../wcs.ts';
import type { Distortion } from './distortion.ts';

/** What `parseWcs` finds in a header. The first of two is of the axis of the longitude, wherever that axis is. */
export interface CelestialParameters {
  readonly frame: CelestialFrame;
  readonly projection: Projection;
  /** CRPIX − 1, of axis 1 and 2. */
  readonly reference: readonly [number, number];
  /** Degrees of longitude by axis 1, by axis 2, degrees of latitude by axis 1, by axis 2. */
  readonly matrix: readonly [number, number, number, number];
  /** CRVAL: degrees. */
  readonly centre: readonly [lon: number, lat: number];
  /** LONPOLE: degrees. */
  readonly lonPole: number;
  /** Of SIN: ξ and η of its slant. */
  readonly slant: readonly [number, number];
  /** SIP: of pixels from CRPIX. */
  readonly before: Distortion | undefined;
  /** TPV: of degrees of longitude and latitude from CRVAL. */
  readonly after: Distortion | undefined;
}

/** Of one point on its way; nothing waits between its writing and its reading. */
const plane = new Float64Array(2);
const vector = new Float64Array(3);

export class CelestialWcs implements Wcs {
  readonly frame: CelestialFrame;
  readonly projection: Projection;
  readonly pixelScale: number;
  readonly #x0: number;
  readonly #y0: number;
  readonly #matrix: Float64Array;
  readonly #inverse: Float64Array;
  readonly #before: Distortion | undefined;
  readonly #after: Distortion | undefined;
  readonly #sin: boolean;
  readonly #xi: number;
  readonly #eta: number;
  /** From native to celestial vectors; its transposed leads back. */
  readonly #rotation: Float64Array;

  /** The matrix has an inverse: `parseWcs` sees to it. */
  constructor(parameters: CelestialParameters) {
    this.frame = parameters.frame;
    this.projection = parameters.projection;
    [this.#x0, this.#y0] = parameters.reference;
    const [a, b, c, d] = parameters.matrix;
    const determinant = a * d - b * c;
    this.#matrix = Float64Array.of(a, b, c, d);
    this.#inverse = Float64Array.of(d / determinant, -b / determinant, -c / determinant, a / determinant);
    this.#before = parameters.before;
    this.#after = parameters.after;
    this.#sin = parameters.projection === 'SIN';
    [this.#xi, this.#eta] = parameters.slant;
    this.#rotation = rotation(parameters.centre, parameters.lonPole);
    this.pixelScale = Math.sqrt(
      Math.abs(determinant * (this.#before?.determinant(0, 0) ?? 1) * (this.#after?.determinant(0, 0) ?? 1)),
    );
  }

  toSky(x: number, y: number): [lon: number, lat: number] {
    this.#toVector(x, y, vector, 0);
    return [longitude(vector[0]!, vector[1]!), latitude(vector[0]!, vector[1]!, vector[2]!)];
  }

  toPixel(lon: number, lat: number): [x: number, y: number] {
    toVector(lon, lat, vector, 0);
    this.#toPixel(vector[0]!, vector[1]!, vector[2]!, plane, 0);
    return [plane[0]!, plane[1]!];
  }

  toSkyMany(pixels: Float64Array, out: Float64Array): void {
    for (let i = 0; i < pixels.length; i += 2) {
      this.#toVector(pixels[i]!, pixels[i + 1]!, vector, 0);
      out[i] = longitude(vector[0]!, vector[1]!);
      out[i + 1] = latitude(vector[0]!, vector[1]!, vector[2]!);
    }
  }

  toPixelMany(sky: Float64Array, out: Float64Array): void {
    for (let i = 0; i < sky.length; i += 2) {
      toVector(sky[i]!, sky[i + 1]!, vector, 0);
      this.#toPixel(vector[0]!, vector[1]!, vector[2]!, out, i);
    }
  }

  toVectors(pixels: Float64Array, out: Float64Array): void {
    for (let i = 0, o = 0; i < pixels.length; i += 2, o += 3)
      this.#toVector(pixels[i]!, pixels[i + 1]!, out, o);
  }

  fromVectors(vectors: Float64Array, out: Float64Array): void {
    for (let i = 0, o = 0; i < vectors.length; i += 3, o += 2) {
      this.#toPixel(vectors[i]!, vectors[i + 1]!, vectors[i + 2]!, out, o);
    }
  }

  #toVector(x: number, y: number, out: Float64Array, at: number): void {
    let u = x - this.#x0;
    let v = y - this.#y0;
    if (this.#before) {
      this.#before.apply(u, v, plane);
      u = plane[0]!;
      v = plane[1]!;
    }
    const matrix = this.#matrix;
    let xi = matrix[0]! * u + matrix[1]! * v;
    let eta = matrix[2]! * u + matrix[3]! * v;
    if (this.#after) {
      this.#after.apply(xi, eta, plane);
      xi = plane[0]!;
      eta = plane[1]!;
    }
    xi *= DEGREE;
    eta *= DEGREE;
    let nx: number;
    let ny: number;
    let nz: number;
    if (this.#sin) {
      // n = (−(η' − ηw), ξ' − ξw, 1 − w) is a unit vector: of the two w the one on the near side.
      const b = 1 + xi * this.#xi + eta * this.#eta;
      const c = xi * xi + eta * eta;
      const a = 1 + this.#xi * this.#xi + this.#eta * this.#eta;
      // Where there is no sky the root, and all after it, is NaN.
      const w = c / (b + Math.sqrt(b * b - a * c));
      nx = this.#eta * w - eta;
      ny = xi - this.#xi * w;
      nz = 1 - w;
    } else {
      nz = 1 / Math.sqrt(1 + xi * xi + eta * eta);
      nx = -eta * nz;
      ny = xi * nz;
    }
    const r = this.#rotation;
    out[at] = r[0]! * nx + r[1]! * ny + r[2]! * nz;
    out[at + 1] = r[3]! * nx + r[4]! * ny + r[5]! * nz;
    out[at + 2] = r[6]! * nx + r[7]! * ny + r[8]! * nz;
  }

  #toPixel(x: number, y: number, z: number, out: Float64Array, at: number): void {
    const r = this.#rotation;
    const nx = r[0]! * x + r[3]! * y + r[6]! * z;
    const ny = r[1]! * x + r[4]! * y + r[7]! * z;
    const nz = r[2]! * x + r[5]! * y + r[8]! * z;
    let xi: number;
    let eta: number;
    if (this.#sin) {
      // Beyond that the sphere turns its back.
      const near = nz + this.#xi * ny - this.#eta * nx >= 0;
      // 1 − nz loses the digits of what is beside the centre.
      const w = nz > 0.5 ? (nx * nx + ny * ny) / (1 + nz) : 1 - nz;
      xi = near ? (ny + this.#xi * w) / DEGREE : Number.NaN;
      eta = near ? (this.#eta * w - nx) / DEGREE : Number.NaN;
    } else {
      const near = nz > 0;
      xi = near ? ny / nz / DEGREE : Number.NaN;
      eta = near ? -nx / nz / DEGREE : Number.NaN;
    }
    if (this.#after) {
      this.#after.invert(xi, eta, plane);
      xi = plane[0]!;
      eta = plane[1]!;
    }
    const inverse = this.#inverse;
    let u = inverse[0]! * xi + inverse[1]! * eta;
    let v = inverse[2]! * xi + inverse[3]! * eta;
    if (this.#before) {
      this.#before.invert(u, v, plane);
      u = plane[0]!;
      v = plane[1]!;
    }
    out[at] = u + this.#x0;
    out[at + 1] = v + this.#y0;
  }
}

/** Native pole at CRVAL, as zenithal projections have it; LONPOLE is the native longitude of the celestial pole. */
function rotation([lon, lat]: readonly [number, number], lonPole: number): Float64Array {
  const sinLon = sine(lon);
  const cosLon = cosine(lon);
  const sinLat = sine(lat);
  const cosLat = cosine(lat);
  const sinPole = sine(lonPole);
  const cosPole = cosine(lonPole);
  // u along φ = LONPOLE, v a quarter after it: (cos δ cos(α − α0), cos δ sin(α − α0), sin δ) = (nz cosLat − u sinLat, −v, nz sinLat + u cosLat).
  const near = [-sinLat * cosPole, -sinLat * sinPole, cosLat];
  const left = [sinPole, -cosPole, 0];
  const up = [cosLat * cosPole, cosLat * sinPole, sinLat];
  const row = (a: number, b: number) => near.map((value, i) => a * value + b * left[i]!);
  return Float64Array.from([...row(cosLon, -sinLon), ...row(sinLon, cosLon), ...up]);
}
