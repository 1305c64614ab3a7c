/** Angles in degrees and unit vectors: exact at the multiples of 90°, and as good as doubles are at 360° and at the poles. */

export const DEGREE = Math.PI / 180;

/** Sine of degrees. */
export function sine(degrees: number): number {
  return turned(degrees, 0);
}

/** Cosine of degrees. */
export function cosine(degrees: number): number {
  return turned(degrees, 1);
}

/** Sine of `quarters` of a turn more. The rest to the nearest quarter is had without an error: 359.99999° is as good as −0.00001°. */
function turned(degrees: number, quarters: number): number {
  const quarter = Math.round(degrees / 90);
  const rest = (degrees - quarter * 90) * DEGREE;
  const turns = (quarter + quarters) & 3;
  const value = turns % 2 === 0 ? Math.sin(rest) : Math.cos(rest);
  // Not −value: that of 0 is −0.
  return turns < 2 ? value : 0 - value;
}

/** The unit vector of a place, at `out[at]` and the two after it. */
export function toVector(lon: number, lat: number, out: Float64Array, at: number): void {
  const quarter = Math.round(lon / 90);
  const rest = (lon - quarter * 90) * DEGREE;
  const sin = Math.sin(rest);
  const cos = Math.cos(rest);
  const around = lat * DEGREE;
  // 90° is the pole itself, not 6e-17 beside it.
  const across = lat === 90 || lat === -90 ? 0 : Math.cos(around);
  const turns = quarter & 3;
  out[at] = across * (turns === 0 ? cos : turns === 1 ? -sin : turns === 2 ? -cos : sin);
  out[at + 1] = across * (turns === 0 ? sin : turns === 1 ? cos : turns === 2 ? -sin : -cos);
  out[at + 2] = Math.sin(around);
}

/** 0 ≤ longitude < 360 of a vector of any length; 0 at the poles. */
export function longitude(x: number, y: number): number {
  const degrees = Math.atan2(y, x) / DEGREE;
  if (degrees >= 0) return degrees + 0;
  const positive = degrees + 360;
  // A hair below 0 is 360 by rounding; NaN stays what it is.
  return positive >= 360 ? 0 : positive;
}

/** Latitude of a vector of any length. By its tangent: an arcsine loses half of the digits beside the poles. */
export function latitude(x: number, y: number, z: number): number {
  return Math.atan2(z, Math.sqrt(x * x + y * y)) / DEGREE;
}
