/** Which pixels a cutout will read, known from headers alone. */
import type { FitsImage } from '../fits/read/file.ts';
import type { PixelBox } from '../image/plane.ts';
import type { BandGrid } from '../make/band/band.ts';
import { ownGrid } from '../make/band/own-grid.ts';
import { placeBand, plainReads } from '../make/band/place.ts';
import type { CutoutCall, CutoutSource } from '../make/call.ts';
import type { CutoutMemory } from '../make/memory.ts';
import { type OpenSource, openBands, planOf } from '../make/plan.ts';

/** Of one plane of one band. */
export interface Wanted {
  readonly source: CutoutSource;
  readonly image: FitsImage;
  readonly box: PixelBox;
}

/** Of the pixels as they are read. */
export const bytesOf = ({ image, box }: Wanted): number =>
  (box.width * box.height * Math.abs(image.bitpix)) / 8;

/**
 * The boxes that making it reads of each file, each in one read: nothing of large cutouts, of mosaics, and of what is resampled. Throws what opening
 * throws, and as `composeFile` does.
 */
export async function wantedOf(call: CutoutCall, open: OpenSource, memory: CutoutMemory): Promise<Wanted[]> {
  const { request, survey } = call;
  const sources = new Map<FitsImage, CutoutSource>();
  const opened = await openBands(call, async (source) => {
    const image = await open(source);
    sources.set(image, source);
    return image;
  });
  if (!planOf(call, opened, memory).isSmall) return [];
  const lead = opened[0]?.tiles[0]?.planes.image;
  let onto: BandGrid | undefined = lead && ownGrid(request, lead);
  const wanted: Wanted[] = [];
  for (const { tiles } of opened) {
    const place = placeBand({ ...request, tiles, onto });
    if (request.picture !== null) onto ??= place.grid;
    if (place.kind !== 'plain') continue;
    for (const read of plainReads({ ...request, mask: survey.mask ?? undefined }, place.tile, place.placed)) {
      const source = sources.get(read.image);
      if (source !== undefined) wanted.push({ ...read, source });
    }
  }
  return wanted;
}
