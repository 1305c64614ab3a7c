/** A band of several tiles, or on the grid of another band. */
import type { PlaneKind } from '@darkroom/contract';
import type { CutWarning } from '../../cut/cut.ts';
import { type Placed, placeCut } from '../../cut/place.ts';
import { SkyError } from '../../errors.ts';
import type { Bitpix } from '../../fits/read/file.ts';
import type { PixelBox, Plane } from '../../image/plane.ts';
import { fitsTile } from '../../mosaic/fits-tile.ts';
import { movedWcs, type TargetGrid } from '../../mosaic/grid/target.ts';
import { type MosaicRequest, mosaicStrips, planMosaic } from '../../mosaic/mosaic.ts';
import type { MosaicStrip, MosaicTile, PixelType } from '../../mosaic/tile.ts';
import { wcsOf } from '../../wcs/parse.ts';
import {
  type BandGrid,
  type BandPlane,
  type BandRequest,
  type CutBand,
  maskedAt,
  maskWarnings,
  only,
  wants,
  withUnit,
} from './band.ts';
import { mosaicHeader } from './mosaic-header.ts';
import { quantityOf } from './own-grid.ts';

/** Several tiles on the grid of the first. */
export function mosaicBand(request: BandRequest, grid: BandGrid, { box, centre }: Placed): CutBand {
  const asked = { tiles: tilesOf(request), grid: box, ...settingsOf(request) };
  const plan = planMosaic(asked);
  const target = 'wcs' in plan.grid ? plan.grid : undefined;
  const wcs = target?.wcs ?? movedWcs(grid.wcs, box);
  return bandOf(request, asked, {
    grid,
    wcs,
    target,
    box,
    // A grid of the mosaic's own has its middle where the box has it.
    centre:
      target === undefined
        ? [centre[0] - box.x0, centre[1] - box.y0]
        : wcs.toPixel(...grid.wcs.toSky(...centre)),
  });
}

/** On the grid of another band. */
export function resampledBand(request: BandRequest, onto: BandGrid): CutBand {
  const { box } = onto;
  const wcs = movedWcs(onto.wcs, box);
  const target: TargetGrid = { wcs, width: box.width, height: box.height, cards: [] };
  const tiles = tilesOf(request);
  const asked = {
    tiles: request.mode === 'mosaic' ? tiles : tiles.slice(0, 1),
    grid: target,
    ...settingsOf(request),
  };
  const [x, y] = placeCut(onto.wcs, request.ra, request.dec, request.size).centre;
  const centre = [x - box.x0, y - box.y0] as const;
  return bandOf(request, asked, { grid: onto, wcs, target: undefined, box, centre });
}

const settingsOf = ({ resampling, memoryBytes, mask, signal, tiles, unit }: BandRequest) => ({
  resampling,
  quantity: quantityOf(tiles[0]?.planes.image.header.value('BUNIT') ?? unit),
  // Of tiles that were made of the same exposures a mean would say more than there is.
  overlap: 'deepest' as const,
  memoryBytes,
  noDataBits: mask === undefined ? 0 : 2 ** mask.noData,
  signal,
});

function bandOf(
  request: BandRequest,
  asked: MosaicRequest,
  {
    target,
    box,
    ...place
  }: Pick<CutBand, 'grid' | 'wcs' | 'centre'> & { target: TargetGrid | undefined; box: PixelBox },
): CutBand {
  const { method, width, height } = planMosaic(asked);
  const mode = request.mode === 'mosaic' && request.tiles.length > 1 ? 'mosaic' : 'primary';
  const [lead] = asked.tiles;
  const planes = (['image', 'weight', 'mask'] as const).flatMap((name): [PlaneKind, BandPlane][] => {
    const type = lead?.[name]?.type;
    const source = request.tiles[0]?.planes[name]?.header;
    if (type === undefined || source === undefined || !wants(request, name)) return [];
    const bitpix = bitpixOf(method === 'copy' || name === 'mask' ? type : 'float32');
    const header: BandPlane['header'] = ({ coverage, tiles }) =>
      withUnit(
        request,
        name,
        mosaicHeader(source, place.grid, {
          target,
          box,
          bitpix,
          own: {
            ...request.provenance,
            TILE: tiles.join(','),
            CUTMODE: mode,
            COVERAGE: coverage,
            RESAMPLE: method,
          },
        }),
      );
    return [[name, { bitpix, header }]];
  });
  return {
    ...place,
    mode,
    width,
    height,
    planes: new Map(planes),
    tiles: asked.tiles.map(({ name }) => name),
    async *strips() {
      const strips = mosaicStrips(asked);
      let warnings = warningsAt(request, undefined, place.centre);
      for (;;) {
        const { done, value } = await strips.next();
        if (done) {
          if (value.coverage === 0)
            throw new SkyError('no_coverage', 'no pixel of the mosaic has a value in any tile');
          return {
            coverage: value.coverage,
            tiles: value.tiles.map(({ name }) => name),
            warnings: [...warnings, ...(await maskedAtCentre(request))],
          };
        }
        const { y0, image, weight, mask } = value;
        if (Math.round(place.centre[1]) >= y0 && Math.round(place.centre[1]) < y0 + heightOf(value))
          warnings = warningsAt(request, value, place.centre);
        yield only(request, { ...(image && { image }), ...(weight && { weight }), ...(mask && { mask }) });
      }
    },
  };
}

const heightOf = ({ image, weight, mask }: MosaicStrip): number => (image ?? weight ?? mask)?.height ?? 0;

/** The centre lies deepest in the first tile, whose mask it is that is looked at where none is made. */
async function maskedAtCentre(request: BandRequest): Promise<CutWarning[]> {
  const [tile] = request.tiles;
  if (tile === undefined) return [];
  const { ra, dec, size } = request;
  return maskedAt(request, tile, placeCut(wcsOf(tile.planes.image.header), ra, dec, size).centre);
}

function warningsAt(
  { mask }: BandRequest,
  strip: MosaicStrip | undefined,
  [x, y]: CutBand['centre'],
): CutWarning[] {
  const at = (plane: Plane | undefined): number | bigint | undefined => {
    const [column, row] = [Math.round(x), Math.round(y) - (strip?.y0 ?? 0)];
    if (plane === undefined || column < 0 || row < 0 || column >= plane.width || row >= plane.height)
      return undefined;
    return plane.data[row * plane.width + column];
  };
  const value = at(strip?.image);
  return [
    ...(value === undefined || (typeof value === 'number' && !Number.isFinite(value))
      ? [{ code: 'centre_blank' as const, message: 'The pixel at the centre of the cutout has no value.' }]
      : []),
    ...(mask === undefined ? [] : maskWarnings(mask, at(strip?.mask) ?? 0)),
  ];
}

/** As mosaics read them; of planes that a tile lacks, none has them. */
function tilesOf(request: BandRequest): MosaicTile[] {
  const { tiles, unit, zeroPoint } = request;
  const planes = (['image', 'weight', 'mask'] as const).filter(
    (name) =>
      (name === 'image' || wants(request, name)) && tiles.every((tile) => tile.planes[name] !== undefined),
  );
  return tiles.map((tile) => {
    const images = Object.fromEntries(planes.map((name) => [name, tile.planes[name]]));
    const made = fitsTile(tile.name, { ...images, ...(zeroPoint !== null && { zeroPoint }) });
    return { ...(unit !== null && { unit }), ...made };
  });
}

const bitpixes: Readonly<Record<PixelType, Bitpix>> = {
  uint8: 8,
  int16: 16,
  int32: 32,
  int64: 64,
  float32: -32,
  float64: -64,
};
const bitpixOf = (type: PixelType): Bitpix => bitpixes[type];
