/** From pixels to the sky and back. Pixel coordinates begin with 0, 0 at the centre of the first pixel; angles are degrees. */

/** `icrs`, `fk5` (equinox 2000) and `fk4` (equinox 1950) have right ascension and declination, `galactic` longitude and latitude. */
export type CelestialFrame = 'icrs' | 'fk5' | 'fk4' | 'galactic';

/** `NCP` is read as the SIN that it is. */
export type Projection = 'TAN' | 'TAN-SIP' | 'TPV' | 'SIN';

/** Of `parseWcs`. The functions of many points allocate nothing; `out` may be the input where it is as long. */
export interface Wcs {
  /** Of what {@link toSky} gives and {@link toPixel} takes. */
  readonly frame: CelestialFrame;
  readonly projection: Projection;
  /** Longitude 0 ≤ lon < 360 and latitude of a pixel; NaN, NaN where the projection has no sky. */
  toSky(x: number, y: number): [lon: number, lat: number];
  /** NaN, NaN where the projection cannot show that place (TAN: beyond 90°), or the inverse of a distortion does not converge. */
  toPixel(lon: number, lat: number): [x: number, y: number];
  /** {@link toSky} of pairs x, y, into pairs lon, lat. */
  toSkyMany(pixels: Float64Array, out: Float64Array): void;
  /** {@link toPixel} of pairs lon, lat, into pairs x, y. */
  toPixelMany(sky: Float64Array, out: Float64Array): void;
  /** Of pairs x, y: unit vectors in {@link frame}, threes of numbers. Without a sine or an arc: for millions of pixels. */
  toVectors(pixels: Float64Array, out: Float64Array): void;
  /** Of unit vectors in {@link frame}: pairs x, y, NaN where {@link toPixel} has NaN. */
  fromVectors(vectors: Float64Array, out: Float64Array): void;
  /** Degrees a pixel at CRPIX: the square root of a pixel's area. */
  readonly pixelScale: number;
}
