/** What the index takes from a file's headers. */
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import { FitsCache } from '../../fits/read/cache.ts';
import { openImage } from '../../fits/read/open.ts';
import { cellsOfPolygon } from '../../sphere/healpix.ts';
import { polygonOfSky } from '../../sphere/polygon.ts';
import { footprint } from '../../wcs/geometry.ts';
import { parseWcs } from '../../wcs/parse.ts';
import { cellOrder } from '../records/tiles.ts';
import type { NewFile } from '../records/writing.ts';
import type { WantedImage } from './scan.ts';

/** Of an edge that is bent on the sky: eight pieces follow it to a thousandth of how far it is bent. */
const piecesOfEdge = 8;

/** What a row was read for: by another HDU or WCS it is read again. */
export const askedOf = ({ hdu, wcs }: WantedImage): string => `${hdu ?? ''} ${wcs}`;

/** Reads the headers of one file, and nothing of its data. Throws SkyError, naming the file, and what the source throws. */
export async function readHeaders(
  source: ByteSource,
  wanted: readonly WantedImage[],
  signal?: AbortSignal,
): Promise<NewFile[]> {
  const cache = new FitsCache();
  const files: NewFile[] = [];
  for (const one of wanted) {
    const { name, index, header, width, height } = await openImage(source, one.hdu, { cache, signal });
    const where = `${source.name}[${name || index}]`;
    const wcs = parseWcs(header);
    if (wcs.projection !== one.wcs)
      throw new SkyError(
        'unsupported_wcs',
        `${where} is ${wcs.projection}, where the survey says ${one.wcs}. Correct wcs in its file, or give it for the band.`,
      );
    const corners = named(where, () => footprint(wcs, width, height, one.wcs === 'TAN' ? 1 : piecesOfEdge));
    const polygon = named(where, () => polygonOfSky(corners));
    const { tile, band, plane, object } = one;
    files.push({
      tile,
      band,
      plane,
      uri: object.uri,
      etag: object.etag,
      bytes: object.size,
      hdu: index,
      asked: askedOf(one),
      width,
      height,
      pixelScale: wcs.pixelScale,
      footprint: corners.flat(),
      cells: plane === 'image' ? cellsOfPolygon(polygon, cellOrder) : [],
    });
  }
  return files;
}

function named<R>(where: string, work: () => R): R {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SkyError)) throw error;
    throw new SkyError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}
