/** Same-grid cuts: pixels of a tile as they are, with a header that puts each at the same place of the sky. */
import { SkyError } from '../errors.ts';
import type { CardValue } from '../fits/card.ts';
import type { Header } from '../fits/header/header.ts';
import type { FitsImage } from '../fits/read/file.ts';
import { blankValue, maskBits } from '../fits/read/physical.ts';
import { makePixels } from '../fits/read/plain.ts';
import type { PixelBox, Pixels, Plane } from '../image/plane.ts';
import { blankOf, maskedBy } from './blank.ts';
import { cutHeader } from './header.ts';
import { onImage } from './place.ts';

export type PlaneName = 'image' | 'weight' | 'mask';

export interface CutWarning {
  readonly code: 'centre_outside' | 'centre_blank' | 'centre_masked';
  readonly message: string;
}

/** One plane of a cutout, whatever made it: a cut, or a mosaic. */
export interface CutPlane {
  /** Of `plane`, as it will be written: with BSCALE, BZERO and BLANK of stored values. */
  readonly header: Header;
  /** Stored values, as `FitsImage.read` gives them. */
  readonly plane: Plane;
  /** Share of the pixels that were asked for which have a value: 0 < coverage ≤ 1. */
  readonly coverage: number;
  readonly warnings: readonly CutWarning[];
}

export interface MaskBits {
  /** Bits of which a pixel has no sound value, by number (0 is the lowest) and name. */
  readonly bad: readonly { readonly bit: number; readonly name: string }[];
  /** The bit of pixels outside of the tile. */
  readonly noData: number;
}

export interface CutRequest {
  /** Planes of one tile, of one grid; `image`, or what else there is, says how much of the cut has a value. */
  readonly planes: Readonly<Partial<Record<PlaneName, FitsImage>>>;
  readonly box: PixelBox;
  /** Pixels; what warnings look at. The middle of the box when not given. */
  readonly centre?: readonly [x: number, y: number];
  /** `primary`: the box as asked for, blank outside of the tile. `clip`: what of it lies on the tile, a smaller picture. */
  readonly mode: 'primary' | 'clip';
  /** What its mask's bits mean; without it pixels outside are BLANK. */
  readonly mask?: MaskBits;
  /** Where it comes from, by keyword: survey, release, tile, version, request. */
  readonly provenance?: Readonly<Record<string, CardValue>>;
  readonly signal?: AbortSignal;
}

export type Cut = Readonly<Partial<Record<PlaneName, CutPlane>>>;

/**
 * Cuts the same pixels out of each plane of a tile. Outside of the tile (mode `primary`) floats are NaN, integers BLANK, masks have their no-data
 * bit. Keywords COVERAGE and CUTMODE are added to those of `provenance`.
 *
 * @throws SkyError `no_coverage`: no pixel has a value; `incompatible_tiles`: planes of different sizes; and what reading throws.
 */
export async function cutTile(request: CutRequest): Promise<Cut> {
  const [cut] = await cutMany([request]);
  if (cut instanceof SkyError) throw cut;
  return cut!;
}

/**
 * Many cuts of one tile, in their order: what they have in common of its rows or tiles is read and decoded once. A place without a value is its
 * own error, not that of the others. All of their pixels are in memory together.
 *
 * @throws TypeError: not all of the same planes; SkyError `incompatible_tiles`: planes of different sizes; and what reading throws.
 */
export async function cutMany(requests: readonly CutRequest[]): Promise<(Cut | SkyError)[]> {
  const [{ planes, signal } = { planes: {}, signal: undefined }] = requests;
  if (requests.some((request) => request.planes !== planes)) throw new TypeError('cuts of one tile together');
  if (requests.length === 0) return [];
  const named = planesOf(planes);
  const { image: first } = named[0]!;
  const places = requests.map((request) => ({
    request,
    there: onImage(request.box, first.width, first.height),
  }));
  const boxes = places.flatMap(({ there }) => there ?? []);
  const read = await Promise.all(named.map(({ image }) => image.readMany(boxes, signal)));
  let next = 0;
  return places.map(({ request, there }) => {
    if (!there) return new SkyError('no_coverage', `Nothing of the cutout lies on ${first.header.where}.`);
    const at = next++;
    return laid(
      request,
      there,
      named.map(({ name, image }, i) => ({ name, image, pixels: read[i]![at]! })),
    );
  });
}

/** Those that a cut has, the image first. */
export function planesOf(planes: CutRequest['planes']): { name: PlaneName; image: FitsImage }[] {
  const named = (['image', 'weight', 'mask'] as const).flatMap((name) => {
    const image = planes[name];
    return image ? [{ name, image }] : [];
  });
  const first = named[0]?.image;
  if (!first) throw new SkyError('invalid_cutout', 'a cut needs a plane');
  for (const { image } of named) {
    if (image.width !== first.width || image.height !== first.height) {
      throw new SkyError(
        'incompatible_tiles',
        `${image.header.where} has ${image.width} × ${image.height} pixels, ${first.header.where} ${first.width} × ${first.height}.`,
      );
    }
  }
  return named;
}

/** Pixels that were read become what was asked for. */
function laid(
  request: CutRequest,
  there: PixelBox,
  planes: readonly { name: PlaneName; image: FitsImage; pixels: Plane }[],
): Cut | SkyError {
  const { box, mode, provenance } = request;
  const [{ pixels: lead, image: first }] = planes as [(typeof planes)[number]];
  const coverage = valued(lead.data, first.header) / (box.width * box.height);
  if (coverage === 0)
    return new SkyError('no_coverage', `No pixel of the cutout has a value on ${first.header.where}.`);
  const warnings = warningsOf(request, there, new Map(planes.map(({ name, pixels }) => [name, pixels])));
  const extent = mode === 'clip' ? there : box;
  const own = { ...provenance, CUTMODE: mode, COVERAGE: coverage };
  const cut: Partial<Record<PlaneName, CutPlane>> = {};
  for (const { name, image, pixels } of planes) {
    const header = cutHeader(image.header, extent, own);
    const whole = extent.width === there.width && extent.height === there.height;
    const filled = whole
      ? { header, plane: pixels }
      : surrounded(name, pixels, header, there, extent, request.mask);
    cut[name] = { ...filled, coverage, warnings };
  }
  return cut;
}

/** How many pixels have a value: NaN and infinities are none. */
export function valued(data: Pixels, header: Header): number {
  let none = 0;
  if (data instanceof Float32Array) none = valueless(data);
  else if (data instanceof Float64Array) {
    for (let i = 0; i < data.length; i++) if (data[i]! - data[i]! !== 0) none++;
  } else {
    const blank = blankValue(header);
    if (blank !== undefined) {
      const is = data instanceof BigInt64Array ? BigInt(blank) : Number(blank);
      for (let i = 0; i < data.length; i++) if (data[i] === is) none++;
    }
  }
  return data.length - none;
}

/** Most rows have none: of a piece whose differences sum to 0 nothing is counted, and no sum waits for the one before it. */
function valueless(data: Float32Array): number {
  let none = 0;
  for (let from = 0; from < data.length; from += 256) {
    const end = Math.min(data.length, from + 256);
    let [one, two, three, four] = [0, 0, 0, 0];
    let i = from;
    for (; i + 4 <= end; i += 4) {
      one += data[i]! - data[i]!;
      two += data[i + 1]! - data[i + 1]!;
      three += data[i + 2]! - data[i + 2]!;
      four += data[i + 3]! - data[i + 3]!;
    }
    for (; i < end; i++) one += data[i]! - data[i]!;
    if (one + two + three + four === 0) continue;
    for (i = from; i < end; i++) if (data[i]! - data[i]! !== 0) none++;
  }
  return none;
}

/** Pixels of a tile with those around them that it does not have. */
export function surrounded(
  name: PlaneName,
  pixels: Plane,
  header: Header,
  there: PixelBox,
  extent: PixelBox,
  mask: MaskBits | undefined,
): { header: Header; plane: Plane } {
  const blanked =
    name === 'mask' && mask ? maskedBy(pixels, 2 ** mask.noData, header) : blankOf(pixels.data, header);
  const { width, height } = extent;
  const out = makePixels(
    blanked.header.integer('BITPIX') as Parameters<typeof makePixels>[0],
    width * height,
  );
  // One type each: the compiler knows only that they are of the same.
  const from = blanked.data as Float64Array;
  const to = out as Float64Array;
  to.fill(blanked.fill as number);
  const start = (there.y0 - extent.y0) * width + there.x0 - extent.x0;
  for (let y = 0; y < there.height; y++) {
    to.set(from.subarray(y * there.width, (y + 1) * there.width), start + y * width);
  }
  return { header: blanked.header, plane: { width, height, data: out } };
}

export function warningsOf(
  { box, centre, planes, mask }: CutRequest,
  there: PixelBox,
  read: ReadonlyMap<PlaneName, Plane>,
): CutWarning[] {
  const [cx, cy] = centre ?? [box.x0 + (box.width - 1) / 2, box.y0 + (box.height - 1) / 2];
  const x = Math.round(cx) - there.x0;
  const y = Math.round(cy) - there.y0;
  if (!(x >= 0 && y >= 0 && x < there.width && y < there.height)) {
    return [{ code: 'centre_outside', message: 'The centre of the cutout is not on the tile.' }];
  }
  const warnings: CutWarning[] = [];
  const at = (name: PlaneName): Plane | undefined => {
    const plane = read.get(name);
    const i = y * there.width + x;
    return plane && { width: 1, height: 1, data: plane.data.subarray(i, i + 1) };
  };
  const image = at('image');
  if (image && valued(image.data, planes.image!.header) === 0) {
    warnings.push({ code: 'centre_blank', message: 'The pixel at the centre of the cutout has no value.' });
  }
  const masked = at('mask');
  if (masked && mask) {
    const bits = BigInt(maskBits(masked, planes.mask!.header).data[0]!);
    const names = mask.bad.filter(({ bit }) => (bits >> BigInt(bit)) & 1n).map(({ name }) => name);
    if (names.length > 0) {
      warnings.push({
        code: 'centre_masked',
        message: `The pixel at the centre of the cutout is masked: ${names.join(', ')}.`,
      });
    }
  }
  return warnings;
}
