/** One band of a cutout: cut out of the tile of its centre, or made of several tiles, on the grid of the first. */
import type { CutoutRequest, PlaneKind } from '@darkroom/contract';
import { type CutPlane, type CutWarning, cutTile, type MaskBits } from '../../cut/cut.ts';
import { onImage, type Placed, placeCut } from '../../cut/place.ts';
import type { CardValue } from '../../fits/card.ts';
import type { Header } from '../../fits/header/header.ts';
import type { FitsImage } from '../../fits/read/file.ts';
import { maskBits } from '../../fits/read/physical.ts';
import type { PixelBox, Plane } from '../../image/plane.ts';
import { fitsTile } from '../../mosaic/fits-tile.ts';
import { gridOffset } from '../../mosaic/grid/shared.ts';
import { movedWcs, type TargetGrid } from '../../mosaic/grid/target.ts';
import { type Mosaic, mosaic, planMosaic } from '../../mosaic/mosaic.ts';
import type { MosaicTile } from '../../mosaic/tile.ts';
import { parseWcs } from '../../wcs/parse.ts';
import type { Wcs } from '../../wcs/wcs.ts';
import { mosaicHeader } from './mosaic-header.ts';
import { quantityOf } from './own-grid.ts';

/** One band of a tile, opened. */
export interface BandTile {
  readonly name: string;
  /** The image is always there, for its WCS. */
  readonly planes: Readonly<Partial<Record<PlaneKind, FitsImage>>> & { readonly image: FitsImage };
}

export interface BandRequest
  extends Pick<CutoutRequest, 'ra' | 'dec' | 'size' | 'mode' | 'resampling' | 'planes'> {
  /** The tile of the centre first. */
  readonly tiles: readonly BandTile[];
  readonly mask: MaskBits | undefined;
  readonly unit: string | null;
  readonly zeroPoint: number | null;
  /** By keyword, for the headers. */
  readonly provenance: Readonly<Record<string, CardValue>>;
  readonly memoryBytes: number;
  /** Absent: the grid of the tile of the centre. Else what is on another grid is resampled onto this one. */
  readonly onto?: BandGrid | undefined;
  readonly signal: AbortSignal;
}

/** Where the pixels of a band lie. */
export interface BandGrid {
  readonly wcs: Wcs;
  readonly header: Header;
  readonly box: PixelBox;
}

export interface CutBand {
  readonly planes: Readonly<Partial<Record<PlaneKind, CutPlane>>>;
  readonly mode: CutoutRequest['mode'];
  /** How neighbours came onto the grid; `copy` also of a plain cut. */
  readonly method: 'copy' | CutoutRequest['resampling'];
  readonly tiles: readonly string[];
  readonly grid: BandGrid;
  /** Of the planes: their first pixel is 0, 0. */
  readonly wcs: Wcs;
  /** Pixels of the planes, where the place that was asked for is. */
  readonly centre: readonly [x: number, y: number];
  readonly warnings: readonly CutWarning[];
}

/** Throws SkyError, and what reading throws. */
export async function cutBand(request: BandRequest): Promise<CutBand> {
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

async function plainCut(
  request: BandRequest,
  tile: BandTile,
  grid: BandGrid,
  { box, centre }: Placed,
): Promise<CutBand> {
  const mode = request.mode === 'clip' ? 'clip' : 'primary';
  const { image } = tile.planes;
  const planes = await cutTile({
    planes: Object.fromEntries(
      Object.entries(tile.planes).filter(([plane]) => wants(request, plane) || plane === 'image'),
    ),
    box,
    centre,
    mode,
    ...(request.mask && { mask: request.mask }),
    provenance: { ...request.provenance, TILE: tile.name },
    signal: request.signal,
  });
  const extent = (mode === 'clip' && onImage(box, image.width, image.height)) || box;
  return {
    planes: only(request, planes),
    mode,
    method: 'copy',
    tiles: [tile.name],
    grid,
    wcs: movedWcs(grid.wcs, extent),
    centre: [centre[0] - extent.x0, centre[1] - extent.y0],
    warnings: [...(planes.image?.warnings ?? []), ...(await maskedAt(request, tile, centre))],
  };
}

/** Of a mask that is not wanted itself, the one pixel of the centre is looked at. */
async function maskedAt(
  request: BandRequest,
  { planes: { mask: image } }: BandTile,
  [x, y]: Placed['centre'],
): Promise<CutWarning[]> {
  const { mask, signal } = request;
  if (mask === undefined || image === undefined || wants(request, 'mask')) return [];
  const at = { x0: Math.round(x), y0: Math.round(y), width: 1, height: 1 };
  if (onImage(at, image.width, image.height) === undefined) return [];
  return maskWarnings(mask, maskBits(await image.read(at, signal), image.header).data[0] ?? 0);
}

function maskWarnings({ bad }: MaskBits, pixel: number | bigint): CutWarning[] {
  const bits = BigInt(pixel);
  const names = bad.filter(({ bit }) => (bits >> BigInt(bit)) & 1n).map(({ name }) => name);
  if (names.length === 0) return [];
  const message = `The pixel at the centre of the cutout is masked: ${names.join(', ')}.`;
  return [{ code: 'centre_masked', message }];
}

const wants = ({ planes }: BandRequest, plane: string): boolean => planes.some((name) => name === plane);

const only = (
  request: BandRequest,
  planes: Readonly<Partial<Record<PlaneKind, CutPlane>>>,
): CutBand['planes'] =>
  Object.fromEntries(
    Object.entries(planes).flatMap(([name, plane]) =>
      wants(request, name) ? [[name, withUnit(request, name, plane)]] : [],
    ),
  );

/** What the survey says of its pixels, where the file does not. */
function withUnit({ unit, zeroPoint }: BandRequest, name: string, plane: CutPlane): CutPlane {
  if (name !== 'image') return plane;
  const { header } = plane;
  const cards = [
    ...(unit !== null && header.value('BUNIT') === undefined
      ? [{ keyword: 'BUNIT', value: unit, comment: 'of the survey' }]
      : []),
    ...(zeroPoint !== null && header.value('MAGZERO') === undefined
      ? [{ keyword: 'MAGZERO', value: zeroPoint, comment: 'AB magnitude of one unit' }]
      : []),
  ];
  return cards.length === 0 ? plane : { ...plane, header: header.append(...cards) };
}

/** Several tiles on the grid of the first. */
async function mosaicBand(request: BandRequest, grid: BandGrid, { box, centre }: Placed): Promise<CutBand> {
  const tiles = tilesOf(request);
  const asked = { tiles, grid: box, ...settingsOf(request) };
  const plan = planMosaic(asked);
  const made = await mosaic(asked);
  const target = 'wcs' in plan.grid ? plan.grid : undefined;
  const wcs = target?.wcs ?? movedWcs(grid.wcs, box);
  // A grid of the mosaic's own has its middle where the box has it.
  return bandOf(request, made, {
    grid,
    wcs,
    target,
    box,
    centre:
      target === undefined
        ? [centre[0] - box.x0, centre[1] - box.y0]
        : wcs.toPixel(...grid.wcs.toSky(...centre)),
  });
}

/** On the grid of another band. */
async function resampledBand(request: BandRequest, onto: BandGrid): Promise<CutBand> {
  const { box } = onto;
  const target: TargetGrid = {
    wcs: movedWcs(onto.wcs, box),
    width: box.width,
    height: box.height,
    cards: [],
  };
  const tiles = tilesOf(request);
  const made = await mosaic({
    tiles: request.mode === 'mosaic' ? tiles : tiles.slice(0, 1),
    grid: target,
    ...settingsOf(request),
  });
  const [x, y] = placeCut(onto.wcs, request.ra, request.dec, request.size).centre;
  return bandOf(request, made, {
    grid: onto,
    wcs: target.wcs,
    target: undefined,
    box,
    centre: [x - box.x0, y - box.y0],
  });
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
  made: Mosaic,
  {
    grid,
    wcs,
    target,
    box,
    centre,
  }: Pick<CutBand, 'grid' | 'wcs' | 'centre'> & { target: TargetGrid | undefined; box: PixelBox },
): CutBand {
  const { coverage, method } = made;
  const mode = request.mode === 'mosaic' && request.tiles.length > 1 ? 'mosaic' : 'primary';
  const tiles = made.tiles.map(({ name }) => name);
  const warnings = warningsAt(request, made, centre);
  const own = {
    ...request.provenance,
    TILE: tiles.join(','),
    CUTMODE: mode,
    COVERAGE: coverage,
    RESAMPLE: method,
  };
  const planes = Object.fromEntries(
    (['image', 'weight', 'mask'] as const).flatMap((name) => {
      const plane = made[name];
      const source = request.tiles[0]?.planes[name];
      if (plane === undefined || source === undefined) return [];
      const header = mosaicHeader(source.header, grid, { target, box, own, plane });
      return [[name, { header, plane, coverage, warnings }]];
    }),
  );
  return { planes: only(request, planes), mode, method, tiles, grid, wcs, centre, warnings };
}

function warningsAt({ mask }: BandRequest, made: Mosaic, [x, y]: CutBand['centre']): CutWarning[] {
  const at = (plane: Plane | undefined): number | bigint | undefined => {
    const [column, row] = [Math.round(x), Math.round(y)];
    if (plane === undefined || column < 0 || row < 0 || column >= plane.width || row >= plane.height)
      return undefined;
    return plane.data[row * plane.width + column];
  };
  const value = at(made.image);
  return [
    ...(value === undefined || (typeof value === 'number' && !Number.isFinite(value))
      ? [{ code: 'centre_blank' as const, message: 'The pixel at the centre of the cutout has no value.' }]
      : []),
    ...(mask === undefined ? [] : maskWarnings(mask, at(made.mask) ?? 0)),
  ];
}

/** As mosaics read them; of planes that a tile lacks, none has them. */
function tilesOf(request: BandRequest): MosaicTile[] {
  const { tiles, mask, unit, zeroPoint } = request;
  const planes = (['image', 'weight', 'mask'] as const).filter(
    (name) =>
      (name === 'image' || wants(request, name) || (name === 'mask' && mask !== undefined)) &&
      tiles.every((tile) => tile.planes[name] !== undefined),
  );
  return tiles.map((tile) => {
    const images = Object.fromEntries(planes.map((name) => [name, tile.planes[name]]));
    const made = fitsTile(tile.name, { ...images, ...(zeroPoint !== null && { zeroPoint }) });
    return { ...(unit !== null && { unit }), ...made };
  });
}
