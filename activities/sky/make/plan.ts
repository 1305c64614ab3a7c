/** What of a cutout is known before its pixels are read: the tiles it is made of, opened, and what it takes to make it. */
import { type PlaneKind, ProblemError } from '@darkroom/contract';
import { placeCut } from '../cut/place.ts';
import type { FitsImage } from '../fits/read/file.ts';
import { wcsOf } from '../wcs/parse.ts';
import type { BandTile } from './band/band.ts';
import { ownGrid } from './band/own-grid.ts';
import type { CutoutCall, CutoutSource } from './call.ts';
import { type CutoutMemory, drawingBytes, type Plan, planMemory } from './memory.ts';
import { valueBytesOf } from './pictures.ts';

/** Opens a file of the survey. Throws SkyError, and what the store throws. */
export type OpenSource = (source: CutoutSource) => Promise<FitsImage>;

/** A band of a request, and the tiles that it is made of. */
export interface OpenBand {
  readonly name: string;
  readonly tiles: readonly BandTile[];
}

/** In the order of the request. Throws what opening throws. */
export const openBands = (call: CutoutCall, open: OpenSource): Promise<OpenBand[]> =>
  Promise.all(call.request.bands.map(async (name) => ({ name, tiles: await openTiles(call, name, open) })));

/** The tiles of a band, each with its planes, in the order of the call. */
async function openTiles({ sources }: CutoutCall, band: string, open: OpenSource): Promise<BandTile[]> {
  const byTile = Map.groupBy(
    sources.filter((source) => source.band === band),
    ({ tile }) => tile,
  );
  return Promise.all(
    [...byTile].map(async ([name, files]) => {
      const planes = Object.fromEntries(
        await Promise.all(files.map(async (source) => [source.plane, await open(source)] as const)),
      ) as Partial<Record<PlaneKind, FitsImage>>;
      if (planes.image === undefined) throw new TypeError(`Of ${name} the image is missing.`);
      return { name, planes: { ...planes, image: planes.image } };
    }),
  );
}

/** What it takes, by the size that was asked for. Throws `cutout_too_large`, and as `placeCut` does. */
export function planOf({ request }: CutoutCall, opened: readonly OpenBand[], memory: CutoutMemory): Plan {
  const images = opened.flatMap(({ tiles }) => tiles[0]?.planes.image ?? []);
  const [lead] = images;
  if (lead === undefined) throw new TypeError('A cutout is made of a tile.');
  const { ra, dec, size, planes, mode, picture } = request;
  const own = ownGrid(request, lead);
  const { width, height } = own?.box ?? placeCut(wcsOf(lead.header), ra, dec, size).box;
  const isMosaic =
    own !== undefined ||
    picture !== null ||
    (mode === 'mosaic' && opened.some(({ tiles }) => tiles.length > 1));
  const work = {
    pixels: width * height,
    bands: opened.length,
    // The image is read also where it is not asked for.
    planes: planes.includes('image') ? planes.length : planes.length + 1,
    isMosaic,
  };
  const plan = planMemory(work, memory.bytes);
  if (picture === null) return plan;
  const bitpixes = images.map(({ bitpix }) => bitpix);
  const of = { width, height };
  const bytes = plan.bytes + drawingBytes(of, opened.length, picture, valueBytesOf(of, bitpixes, picture));
  if (bytes > memory.largest)
    throw new ProblemError(
      'cutout_too_large',
      `A picture of ${width} × ${height} pixels takes ${bytes} bytes of memory, of which one may take ${memory.largest} (CUTOUT_MEMORY_BYTES). Ask for a smaller size, or with maxPixels.`,
    );
  return { ...plan, bytes };
}
