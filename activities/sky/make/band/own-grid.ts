/** The grid that a request has of its own: TAN, about its place, of the scale and rotation that it asks for. */
import type { CutoutRequest } from '@darkroom/contract';
import { wholePixels } from '../../cut/place.ts';
import type { CardValue } from '../../fits/card.ts';
import { Header } from '../../fits/header/header.ts';
import type { FitsImage } from '../../fits/read/file.ts';
import { tangentTarget } from '../../mosaic/grid/target.ts';
import type { Quantity } from '../../mosaic/resampling/flux.ts';
import { wcsOf } from '../../wcs/parse.ts';
import type { BandGrid } from './band.ts';

/** Undefined where the pixels of the tile are to stay as they are. Throws SkyError `invalid_cutout`, and as `wcsOf` does. */
export function ownGrid(
  { grid, ra, dec, size }: Pick<CutoutRequest, 'grid' | 'ra' | 'dec' | 'size'>,
  tile: FitsImage,
): BandGrid | undefined {
  if (grid === null) return undefined;
  const pixelScale = grid.pixelScale ?? wcsOf(tile.header).pixelScale;
  const [width, height] = [wholePixels(size.width, pixelScale), wholePixels(size.height, pixelScale)];
  const { wcs, cards } = tangentTarget({
    lon: ra,
    lat: dec,
    width,
    height,
    pixelScale,
    rotation: grid.rotation,
  });
  return { wcs, header: new Header(cards), box: { x0: 0, y0: 0, width, height } };
}

/** Per steradian, square degree, minute or second of arc, however it is written: `MJy/sr`, `nmgy arcsec-2`, `mag/arcsec^2`. */
const perArea =
  /(?:\/|\bper)\s*\(?\s*(?:sr|steradian|(?:deg|arcmin|arcsec)\s*(?:\*\*|\^)?\s*2)\b|\bsr\s*(?:\*\*|\^)?\s*\(?-1|\b(?:deg|arcmin|arcsec)\s*(?:\*\*|\^)?\s*\(?-2/i;

/** What a value of that unit is: of a pixel, whose sum over a source stays what it was, or of an area of the sky. */
export const quantityOf = (unit: CardValue | null): Quantity =>
  typeof unit === 'string' && perArea.test(unit) ? 'surface_brightness' : 'flux';
