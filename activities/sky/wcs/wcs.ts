/** From pixels to the sky and back. Pixel coordinates begin with 0, 0 at the centre of the first pixel; angles are degrees. */

/** `icrs`, `fk5` (equinox 2000) and `fk4` (equinox 1950) have right ascension and declination, `galactic` longitude and latitude. */
export type CelestialFrame = 'icrs' | 'fk5' | 'fk4' | 'galactic';

export interface Wcs {
  /** Of what {@link toSky} gives and {@link toPixel} takes. */
  readonly frame: CelestialFrame;
  /** Longitude 0 ≤ lon < 360 and latitude of a pixel; NaN, NaN where the projection has no sky. */
  toSky(x: number, y: number): [lon: number, lat: number];
  /** NaN, NaN where the projection cannot show that place (TAN: beyond 90°), or the inverse of a distortion does not converge. */
  toPixel(lon: number, lat: number): [x: number, y: number];
  /** Degrees a pixel at CRPIX: the square root of a pixel's area. */
  readonly pixelScale: number;
}
