/** Where the pixels of a band come from: one tile as it is, several, or what is resampled onto the grid of another band. */
import { onImage, type Placed, placeCut } from '../../cut/place.ts';
import type { FitsImage } from '../../fits/read/file.ts';
import type { PixelBox } from '../../image/plane.ts';
import { gridOffset } from '../../mosaic/grid/shared.ts';
import { wcsOf } from '../../wcs/parse.ts';
import { type BandGrid, type BandRequest, type BandTile, maskedPixel, wants } from './band.ts';

export type BandPlace =
  | { readonly kind: 'plain'; readonly grid: BandGrid; readonly placed: Placed; readonly tile: BandTile }
  | { readonly kind: 'mosaic'; readonly grid: BandGrid; readonly placed: Placed }
  | { readonly kind: 'resampled'; readonly grid: BandGrid };

/** From headers alone. Throws SkyError. */
export function placeBand({
  tiles,
  onto,
  ra,
  dec,
  size,
  mode,
}: Pick<BandRequest, 'tiles' | 'onto' | 'ra' | 'dec' | 'size' | 'mode'>): BandPlace {
  const [tile] = tiles;
  if (tile === undefined) throw new TypeError('A band is cut out of a tile.');
  const { image } = tile.planes;
  const own = { wcs: wcsOf(image.header), header: image.header };
  const offset = onto && gridOffset(onto, own);
  if (onto !== undefined && offset === undefined) return { kind: 'resampled', grid: onto };
  const { box: ownBox, centre } = placeCut(own.wcs, ra, dec, size);
  const box =
    onto === undefined || offset === undefined
      ? ownBox
      : { ...onto.box, x0: onto.box.x0 - offset.x, y0: onto.box.y0 - offset.y };
  const grid: BandGrid = { ...own, box };
  const placed = { box, centre };
  const there = mode === 'mosaic' ? onImage(box, image.width, image.height) : undefined;
  const inside = there !== undefined && there.width === box.width && there.height === box.height;
  return mode !== 'mosaic' || inside || tiles.length === 1
    ? { kind: 'plain', grid, placed, tile }
    : { kind: 'mosaic', grid, placed };
}

/** Planes of a tile that are read for a band: the image always, for what has a value. */
export const planesRead = (
  request: Pick<BandRequest, 'planes'>,
  { planes }: BandTile,
): [plane: string, image: FitsImage][] =>
  Object.entries(planes).filter(([plane]) => wants(request, plane) || plane === 'image');

/** What one tile is read for, where all of it is read at once. */
export function plainReads(
  request: Pick<BandRequest, 'planes' | 'mask'>,
  tile: BandTile,
  { box, centre }: Placed,
): { image: FitsImage; box: PixelBox }[] {
  const { image } = tile.planes;
  const there = onImage(box, image.width, image.height);
  if (there === undefined) return [];
  const masked = maskedPixel(request, tile, centre);
  return [
    ...planesRead(request, tile).map(([, plane]) => ({ image: plane, box: there })),
    ...(masked ? [masked] : []),
  ];
}
