/** Turning directions from one frame of the sky into another. */
import { SkyError } from '../errors.ts';
import type { CelestialFrame } from '../wcs/wcs.ts';

/** To ICRS, rows of a matrix, as astropy has them: of FK5 by the frame bias, of galactic coordinates by way of FK5. */
const TO_ICRS: ReadonlyMap<CelestialFrame, readonly number[]> = new Map([
  ['icrs', [1, 0, 0, 0, 1, 0, 0, 0, 1]],
  [
    'fk5',
    [
      0.9999999999999921, 1.110223372917327e-7, 4.4118034330995603e-8, -1.1102233297408327e-7,
      0.9999999999999889, -9.647792751958127e-8, -4.411804498096771e-8, 9.647792246010129e-8,
      0.9999999999999943,
    ],
  ],
  [
    'galactic',
    [
      -0.05487565771259163, 0.4941094371927268, -0.8676661375596576, -0.8734370519556159, -0.4448297212232953,
      -0.19807633727300059, -0.48383507361671546, 0.7469821839866676, 0.45598381368730156,
    ],
  ],
]);

/**
 * Rows of the matrix that turns unit vectors of one frame into those of another; undefined where they are the same. Throws SkyError
 * `incompatible_tiles` for FK4, which is no turned ICRS: its positions change with the time of observation.
 */
export function rotationBetween(from: CelestialFrame, to: CelestialFrame): Float64Array | undefined {
  if (from === to) return undefined;
  const [a, b] = [TO_ICRS.get(from), TO_ICRS.get(to)];
  if (!a || !b) {
    throw new SkyError(
      'incompatible_tiles',
      `tiles cannot be joined: one is in ${from.toUpperCase()}, the other in ${to.toUpperCase()}`,
    );
  }
  const product = new Float64Array(9);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      for (let k = 0; k < 3; k++) product[row * 3 + column]! += b[k * 3 + row]! * a[k * 3 + column]!;
    }
  }
  return product;
}
