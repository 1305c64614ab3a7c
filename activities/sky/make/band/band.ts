/** What a band of a cutout is, whatever makes it: known before its pixels are read, and its rows from the first on. */
import type { CutoutRequest, PlaneKind } from '@darkroom/contract';
import type { CutWarning, MaskBits } from '../../cut/cut.ts';
import { onImage, type Placed } from '../../cut/place.ts';
import type { CardValue } from '../../fits/card.ts';
import type { Header } from '../../fits/header/header.ts';
import type { Bitpix, FitsImage } from '../../fits/read/file.ts';
import { maskBits } from '../../fits/read/physical.ts';
import type { PixelBox, Plane } from '../../image/plane.ts';
import type { Wcs } from '../../wcs/wcs.ts';

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
  /** Of what is read and summed for it at a time, about; what comes out does not depend on it. */
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
  readonly mode: CutoutRequest['mode'];
  readonly grid: BandGrid;
  /** Of the planes: their first pixel is 0, 0. */
  readonly wcs: Wcs;
  /** Pixels of the planes, where the place that was asked for is. */
  readonly centre: readonly [x: number, y: number];
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Those that were asked for; what they will be. */
  readonly planes: ReadonlyMap<PlaneKind, BandPlane>;
  /** All that it may be made of. */
  readonly tiles: readonly string[];
  /** From the first row on; once. Throws SkyError, and what reading throws. */
  strips(): AsyncGenerator<BandStrip, BandMade>;
}

export interface BandPlane {
  readonly bitpix: Bitpix;
  header(made: Pick<BandMade, 'coverage' | 'tiles'>): Header;
}

/** The next rows of each plane, as they are stored. */
export type BandStrip = Readonly<Partial<Record<PlaneKind, Plane>>>;

/** What has become of it. */
export interface BandMade {
  readonly coverage: number;
  readonly tiles: readonly string[];
  readonly warnings: readonly CutWarning[];
}

/** Of a mask that is not wanted itself, the one pixel of the centre is looked at: where it is on the image. */
export function maskedPixel(
  request: Pick<BandRequest, 'planes' | 'mask'>,
  { planes: { mask: image } }: BandTile,
  [x, y]: Placed['centre'],
): { image: FitsImage; box: PixelBox } | undefined {
  if (request.mask === undefined || image === undefined || wants(request, 'mask')) return undefined;
  const box = { x0: Math.round(x), y0: Math.round(y), width: 1, height: 1 };
  return onImage(box, image.width, image.height) && { image, box };
}

export async function maskedAt(
  request: BandRequest,
  tile: BandTile,
  centre: Placed['centre'],
): Promise<CutWarning[]> {
  const { mask, signal } = request;
  const at = maskedPixel(request, tile, centre);
  if (mask === undefined || at === undefined) return [];
  const { image, box } = at;
  return maskWarnings(mask, maskBits(await image.read(box, signal), image.header).data[0] ?? 0);
}

export function maskWarnings({ bad }: MaskBits, pixel: number | bigint): CutWarning[] {
  const bits = BigInt(pixel);
  const names = bad.filter(({ bit }) => (bits >> BigInt(bit)) & 1n).map(({ name }) => name);
  if (names.length === 0) return [];
  const message = `The pixel at the centre of the cutout is masked: ${names.join(', ')}.`;
  return [{ code: 'centre_masked', message }];
}

export const wants = ({ planes }: Pick<BandRequest, 'planes'>, plane: string): boolean =>
  planes.some((name) => name === plane);

export const only = (request: BandRequest, planes: BandStrip): BandStrip =>
  Object.fromEntries(Object.entries(planes).filter(([name]) => wants(request, name)));

/** What the survey says of its pixels, where the file does not. */
export function withUnit({ unit, zeroPoint }: BandRequest, name: string, header: Header): Header {
  if (name !== 'image') return header;
  const cards = [
    ...(unit !== null && lacks(header, 'BUNIT')
      ? [{ keyword: 'BUNIT', value: unit, comment: 'of the survey' }]
      : []),
    ...(zeroPoint !== null && lacks(header, 'MAGZERO')
      ? [{ keyword: 'MAGZERO', value: zeroPoint, comment: 'AB magnitude of one unit' }]
      : []),
  ];
  return cards.length === 0 ? header : header.append(...cards);
}

/** Asked once or twice of a header: without its index. */
const lacks = ({ cards }: Header, keyword: string): boolean =>
  cards.find((card) => card.keyword === keyword)?.value === undefined;
