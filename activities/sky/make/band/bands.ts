/** One band of a cutout: out of the tile of its centre, or of several tiles, on the grid of the first. */
import type { Placed } from '../../cut/place.ts';
import { planCut } from '../../cut/strips.ts';
import { movedWcs } from '../../mosaic/grid/target.ts';
import {
  type BandGrid,
  type BandRequest,
  type BandTile,
  type CutBand,
  maskedAt,
  only,
  wants,
  withUnit,
} from './band.ts';
import { mosaicBand, resampledBand } from './mosaics.ts';
import { placeBand, planesRead } from './place.ts';

/** Reads no more than headers (and of an image of integers its pixels, where it is to have a BLANK). Throws SkyError, and what reading throws. */
export async function planBand(request: BandRequest): Promise<CutBand> {
  const place = placeBand(request);
  switch (place.kind) {
    case 'resampled':
      return resampledBand(request, place.grid);
    case 'mosaic':
      return mosaicBand(request, place.grid, place.placed);
    case 'plain':
      return plainCut(request, place.tile, place.grid, place.placed);
  }
}

/** Of a pixel of a strip: it as it is read, what stands around it, one more strip that is read meanwhile, and its bytes in the file. */
const stripPixelBytes = 32;

async function plainCut(
  request: BandRequest,
  tile: BandTile,
  grid: BandGrid,
  { box, centre }: Placed,
): Promise<CutBand> {
  const mode = request.mode === 'clip' ? 'clip' : 'primary';
  const read = planesRead(request, tile);
  const plan = await planCut(
    {
      planes: Object.fromEntries(read),
      box,
      centre,
      mode,
      ...(request.mask && { mask: request.mask }),
      provenance: { ...request.provenance, TILE: tile.name },
      signal: request.signal,
    },
    Math.floor(request.memoryBytes / (stripPixelBytes * read.length)),
  );
  const { extent } = plan;
  return {
    mode,
    grid,
    wcs: movedWcs(grid.wcs, extent),
    centre: [centre[0] - extent.x0, centre[1] - extent.y0],
    width: extent.width,
    height: extent.height,
    planes: new Map(
      [...plan.planes].flatMap(([name, { bitpix, header }]) =>
        wants(request, name)
          ? [[name, { bitpix, header: ({ coverage }) => withUnit(request, name, header(coverage)) }] as const]
          : [],
      ),
    ),
    tiles: [tile.name],
    async *strips() {
      const strips = plan.strips();
      for (;;) {
        const { done, value } = await strips.next();
        if (done) {
          const warnings = [...value.warnings, ...(await maskedAt(request, tile, centre))];
          return { coverage: value.coverage, tiles: [tile.name], warnings };
        }
        yield only(request, value.planes);
      }
    },
  };
}
