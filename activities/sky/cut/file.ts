/** Cutouts as FITS files. */
import type { Card } from '../fits/card.ts';
import { writeFits } from '../fits/write/file.ts';
import type { RiceOptions } from '../fits/write/tiles/compressed.ts';
import type { CutPlane } from './cut.ts';

export interface NamedPlane {
  /** EXTNAME. */
  readonly name: string;
  readonly plane: CutPlane;
}

/**
 * A FITS file of the planes and bands of a cutout, in their order. One plane is the primary HDU; several are extensions behind an empty one, and
 * so is what is compressed, as RICE_1 (64-bit integers are written as they are: RICE_1 has none). Equal planes give equal bytes.
 */
export function cutFile(
  planes: readonly NamedPlane[],
  options: { readonly compress?: RiceOptions; readonly primary?: readonly Card[] } = {},
): Uint8Array {
  const alone = planes.length === 1 && !options.compress;
  return writeFits(
    planes.map(({ name, plane: { plane, header } }) => ({
      plane,
      cards: [{ keyword: 'EXTNAME', value: name, comment: '' }, ...header.cards],
      ...(options.compress && !(plane.data instanceof BigInt64Array) && { compress: options.compress }),
    })),
    alone ? {} : { primary: options.primary ?? [] },
  );
}
