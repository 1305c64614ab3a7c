/** What a cutout's pixels have to be: the library's own, read from the tile. */
import { type ByteSource, openImage, type PixelBox, parseWcs, placeCut } from '@darkroom/sky';
import type { Row } from './rows.ts';

export interface OwnCut {
  /** Where it lies on the tile. */
  readonly box: PixelBox;
  readonly data: Float32Array;
}

export async function cutOf(tile: ByteSource, { ra, dec }: Row, stamp: number): Promise<OwnCut> {
  const image = await openImage(tile);
  const side = { value: stamp, unit: 'px' } as const;
  const { box } = placeCut(parseWcs(image.header), ra, dec, { width: side, height: side });
  const { data } = await image.read(box);
  return { box, data: data as Float32Array };
}
