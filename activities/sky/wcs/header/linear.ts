/** CD, PC and CDELT, or CROTA2: one matrix from pixels to degrees. */
import { SkyError } from '../../errors.ts';
import { cosine, sine } from '../angle.ts';
import type { WcsHeader } from './values.ts';

const MOST_AXES = 9;

type Matrix = [number, number, number, number];

/** Degrees of longitude by axis 1, by axis 2, degrees of latitude by axis 1, by axis 2. CD or PC with CDELT, CROTA2 where neither is. */
export function linearTerms(
  header: WcsHeader,
  lon: number,
  lat: number,
  units: readonly [number, number],
): Matrix {
  refuseCoupled(header);
  const raw = written(header, lon, lat);
  const matrix: Matrix = [raw[0] * units[0], raw[1] * units[0], raw[2] * units[1], raw[3] * units[1]];
  const [a, b, c, d] = matrix;
  const determinant = a * d - b * c;
  // Beside its own terms: that of a matrix of 1e-4 is 1e-8.
  if (
    !(Math.abs(determinant) > 1e-12 * (Math.abs(a * d) + Math.abs(b * c))) ||
    !Number.isFinite(1 / determinant)
  ) {
    throw new SkyError(
      'invalid_fits',
      `The matrix from pixels to degrees has no inverse: ${raw.join(', ')}.`,
    );
  }
  return matrix;
}

/** Of elements i_j; what is missing is `usual`. undefined where all are. */
function elements(
  header: WcsHeader,
  name: (i: number, j: number) => string,
  lon: number,
  lat: number,
  usual: Matrix,
) {
  const found = [
    header.number(name(lon, 1)),
    header.number(name(lon, 2)),
    header.number(name(lat, 1)),
    header.number(name(lat, 2)),
  ];
  if (found.every((value) => value === undefined)) return undefined;
  return found.map((value, i) => value ?? usual[i]!) as Matrix;
}

function written(header: WcsHeader, lon: number, lat: number): Matrix {
  const cd = elements(header, (i, j) => `CD${i}_${j}`, lon, lat, [0, 0, 0, 0]);
  const unit: Matrix = lon === 1 ? [1, 0, 0, 1] : [0, 1, 1, 0];
  const pc =
    elements(header, (i, j) => `PC${i}_${j}`, lon, lat, unit) ??
    // As it was before the standard.
    elements(header, (i, j) => `PC00${i}00${j}`, lon, lat, unit);
  if (cd && !pc) return cd;
  const steps = [header.number(`CDELT${lon}`), header.number(`CDELT${lat}`)];
  if (!cd && (steps[0] === undefined || steps[1] === undefined)) {
    throw new SkyError(
      'unsupported_wcs',
      `The header has neither CD1_1 nor CDELT1${header.alternate}: no scale of its pixels.`,
    );
  }
  const [byLon, byLat] = [steps[0] ?? 1, steps[1] ?? 1];
  if (pc) {
    const scaled: Matrix = [pc[0] * byLon, pc[1] * byLon, pc[2] * byLat, pc[3] * byLat];
    if (cd) refuseContradiction(cd, scaled);
    return cd ?? scaled;
  }
  const turn = header.number(`CROTA${lat}`) ?? 0;
  const own = [byLon * cosine(turn), byLat * cosine(turn)] as const;
  const cross = [-byLat * sine(turn), byLon * sine(turn)] as const;
  return lon === 1 ? [own[0], cross[0], cross[1], own[1]] : [cross[0], own[0], own[1], cross[1]];
}

/** The standard has one or the other; wcslib reads PC where both are, others CD. */
function refuseContradiction(cd: Matrix, pc: Matrix): void {
  const largest = Math.max(...cd.map(Math.abs));
  // What is left after seven digits, as some write them.
  if (cd.some((value, i) => Math.abs(value - pc[i]!) > 1e-6 * largest)) {
    throw new SkyError('invalid_fits', 'CD and PC with CDELT contradict each other.');
  }
}

/** An axis of a cube that moves with the sky's cannot be left out. */
function refuseCoupled(header: WcsHeader): void {
  for (let i = 1; i <= 2; i++) {
    for (let j = 3; j <= MOST_AXES; j++) {
      for (const keyword of [`CD${i}_${j}`, `PC${i}_${j}`, `CD${j}_${i}`, `PC${j}_${i}`]) {
        const value = header.number(keyword) ?? 0;
        if (value !== 0)
          throw new SkyError('unsupported_wcs', `${keyword} = ${value}: the sky depends on axis ${j}.`);
      }
    }
  }
}
