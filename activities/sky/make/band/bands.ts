/** One band of a cutout: out of the tile of its centre, or of several tiles, on the grid of the first. */
import { onImage, type Placed, placeCut } from '../../cut/place.ts';
import { planCut } from '../../cut/strips.ts';
import { gridOffset } from '../../mosaic/grid/shared.ts';
import { movedWcs } from '../../mosaic/grid/target.ts';
import { parseWcs } from '../../wcs/parse.ts';
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

/** Reads no more than headers (and of an image of integers its pixels, where it is to have a BLANK). Throws SkyError, and what reading throws. */
export async function planBand(request: BandRequest): Promise<CutBand> {
  const [first] = request.tiles;
  if (first === undefined) throw new TypeError('A band is cut out of a tile.');
  const { image } = first.planes;
  const wcs = parseWcs(image.header);
  const own = { wcs, header: image.header };
  const { onto } = request;
  const offset = onto && gridOffset(onto, own);
  if (onto !== undefined && offset === undefined) return resampledBand(request, onto);
  const placed = placeCut(wcs, request.ra, request.dec, request.size);
  const box =
    onto === undefined || offset === undefined
      ? placed.box
      : { ...onto.box, x0: onto.box.x0 - offset.x, y0: onto.box.y0 - offset.y };
  const grid: BandGrid = { ...own, box };
  const whole = { ...placed, box };
  if (request.mode !== 'mosaic') return plainCut(request, first, grid, whole);
  const there = onImage(box, image.width, image.height);
  const inside = there !== undefined && there.width === box.width && there.height === box.height;
  return inside || request.tiles.length === 1
    ? plainCut(request, first, grid, whole)
    : mosaicBand(request, grid, whole);
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
  const read = Object.entries(tile.planes).filter(([plane]) => wants(request, plane) || plane === 'image');
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
