/** Which tiles a cutout is made of, of those that lie there. Pure. */
import type { CutoutRequest, PlaneKind } from '@darkroom/contract';
import type { CutoutCall, CutoutSource } from '../make/call.ts';
import { extentOf } from '../realtime/plan.ts';
import type { SurveyDefinition } from './definition/definition.ts';
import type { SurveyTile } from './records/tiles.ts';

/** A request without its place. */
export type PlacelessRequest = Omit<CutoutRequest, 'ra' | 'dec'>;

/** Pixels of a tile that a resampled pixel looks around. */
const resamplingReach = 4;

/** A cutout with its centre on tiles, as far as those say. */
export interface Centred {
  readonly extent: ReturnType<typeof extentOf>;
  /** Degrees a pixel of the tile that the centre lies deepest within. */
  readonly scale: number;
  /** Degrees from the centre to the farthest pixel that is looked at. */
  readonly reach: number;
  /** Whether one tile of each band holds all of it: no other is needed. */
  readonly isInside: boolean;
}

/** Bands that no tile at the place has, of tiles that hold it. */
export const missingBands = (
  { bands }: Pick<CutoutRequest, 'bands'>,
  at: readonly SurveyTile[],
): readonly string[] => bands.filter((band) => !at.some((tile) => tile.band === band));

/** `at`: the tiles that hold the place, those first that it lies deepest within; there is one of each band. */
export function centredOn(request: PlacelessRequest, at: readonly SurveyTile[]): Centred {
  const scale = at[0]?.planes.image?.pixelScale ?? Number.NaN;
  const extent = extentOf(request, request.size, scale);
  // What is resampled looks some pixels farther.
  const around = request.grid === null ? 0 : resamplingReach * scale;
  const reach = (Math.hypot(extent.width, extent.height) / 2) * extent.scale + around;
  const isInside = request.bands.every((band) => at.some((tile) => tile.band === band && tile.depth > reach));
  return { extent, scale, reach, isInside };
}

/** Whether tiles that only reach into the cutout are wanted, too. */
export const wantsNeighbours = (
  { mode }: Pick<CutoutRequest, 'mode'>,
  { isInside }: Pick<Centred, 'isInside'>,
): boolean => mode === 'mosaic' && !isInside;

/** Of each band of the request in turn, that of the centre first; `found` has the neighbours where they are wanted. */
export function chosenTiles<Tile extends SurveyTile>(
  request: Pick<CutoutRequest, 'bands' | 'mode'>,
  centred: Pick<Centred, 'isInside'>,
  found: readonly Tile[],
): Tile[][] {
  return request.bands.map((band) => {
    const ofBand = found.filter((tile) => tile.band === band);
    return wantsNeighbours(request, centred) ? ofBand : ofBand.slice(0, 1);
  });
}

/** What is read of a tile: the image for its grid, the mask for the pixel of the centre, and what is asked for. */
export function sourcesOf(
  {
    tile,
    band,
    planes,
  }: Pick<SurveyTile, 'tile' | 'band'> & {
    readonly planes: Readonly<Partial<Record<PlaneKind, PinnedFile>>>;
  },
  request: Pick<CutoutRequest, 'planes'>,
): CutoutSource[] {
  return (['image', 'weight', 'mask'] as const).flatMap((plane) => {
    const file = planes[plane];
    if (file === undefined || (plane === 'weight' && !request.planes.includes(plane))) return [];
    const { uri, etag, bytes, hdu, verified } = file;
    return [{ tile, band, plane, uri, etag, bytes, hdu, verified }];
  });
}

/** What is known of a file that is read. */
export type PinnedFile = Pick<CutoutSource, 'uri' | 'etag' | 'bytes' | 'hdu' | 'verified'>;

/** What of the survey the pixels of some bands want. */
export const surveyOfCall = (
  { name, release, bands: all, planes, unit, mask }: SurveyDefinition,
  bands: readonly string[],
): CutoutCall['survey'] => ({
  name,
  release,
  bands: bands.map((band) => {
    const told = all.find((one) => one.name === band);
    return {
      name: band,
      zeroPoint: told?.zeropoint ?? null,
      unit: told?.unit ?? planes.image.unit ?? unit ?? null,
    };
  }),
  mask: mask ?? null,
});
