/** The header of a mosaic's plane: what the first tile's file says of it, with the grid that the mosaic lies on. */
import { cutHeader } from '../../cut/header.ts';
import type { CardValue } from '../../fits/card.ts';
import type { Header } from '../../fits/header/header.ts';
import type { Bitpix } from '../../fits/read/file.ts';
import type { PixelBox } from '../../image/plane.ts';
import type { TargetGrid } from '../../mosaic/grid/target.ts';
import type { BandGrid } from './band.ts';

const coordinates =
  /^(?:(?:CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)[12][A-Z]?|(?:CD|PC)[12]_[12][A-Z]?|P[VS][12]_\d+[A-Z]?|[AB]P?_(?:\d_\d|ORDER|DMAX)|WCSAXES[A-Z]?|LONPOLE[A-Z]?|LATPOLE[A-Z]?|RADESYS[A-Z]?|RADECSYS|EQUINOX[A-Z]?|EPOCH|WCSNAME[A-Z]?|LTV[12]|LTM[12]_[12])$/;
const scaling = /^(?:BSCALE|BZERO|BLANK|BITPIX|NAXIS[12])$/;

/** Of a mosaic's plane: what the first tile's file says, with the grid that it lies on; values are physical ones. */
export function mosaicHeader(
  source: Header,
  grid: BandGrid,
  {
    target,
    box,
    own,
    bitpix,
  }: { target: TargetGrid | undefined; box: PixelBox; own: Record<string, CardValue>; bitpix: Bitpix },
): Header {
  const moved = cutHeader(source, box, own).filter(
    ({ keyword }) => !scaling.test(keyword) && !coordinates.test(keyword),
  );
  const on =
    target !== undefined
      ? target.cards
      : cutHeader(grid.header, box).cards.filter(({ keyword }) => coordinates.test(keyword));
  return moved.append(
    { keyword: 'BITPIX', value: bitpix, comment: '' },
    { keyword: 'NAXIS1', value: box.width, comment: '' },
    { keyword: 'NAXIS2', value: box.height, comment: '' },
    ...on,
  );
}
