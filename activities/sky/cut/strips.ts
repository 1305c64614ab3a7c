/** Same-grid cuts strip by strip: pixels and headers are those of `cutTile`, and no more than two strips are in memory. */
import { SkyError } from '../errors.ts';
import type { Header } from '../fits/header/header.ts';
import type { Bitpix, FitsImage } from '../fits/read/file.ts';
import { makePixels } from '../fits/read/plain.ts';
import { bitpixOf } from '../fits/write/image.ts';
import type { PixelBox, Plane } from '../image/plane.ts';
import { readAhead } from '../mosaic/tile.ts';
import { blankOf, givenBlank, type Integers, maskedBy, UsedValues, widerPixels, withBlank } from './blank.ts';
import {
  type CutRequest,
  type CutWarning,
  type MaskBits,
  type PlaneName,
  planesOf,
  surrounded,
  valued,
  warningsOf,
} from './cut.ts';
import { cutHeader } from './header.ts';
import { onImage } from './place.ts';

/** Rows y0 ≤ y < y0 + height of a cut. */
export interface CutStrip {
  readonly y0: number;
  readonly planes: Readonly<Partial<Record<PlaneName, Plane>>>;
}

export interface CutSummary {
  readonly coverage: number;
  readonly warnings: readonly CutWarning[];
}

/** What a cut will be, known before its pixels are read. */
export interface CutPlan {
  /** Pixels of the tile, as far as it reaches. */
  readonly extent: PixelBox;
  readonly planes: ReadonlyMap<PlaneName, PlannedPlane>;
  /** Rows of one strip. */
  readonly rows: number;
  /** From the first row on; once. Throws as `cutTile` does; `no_coverage` after the last strip. */
  strips(): AsyncGenerator<CutStrip, CutSummary>;
}

export interface PlannedPlane {
  readonly bitpix: Bitpix;
  /** With such a coverage. */
  header(coverage: number): Header;
}

/**
 * `pixels`: of a strip, in one plane; more only where a row of compressed tiles has more. An image of integers without a BLANK is read once more
 * where the cut reaches beyond it, for a value that none of its pixels has. Throws as `cutTile` does.
 */
export async function planCut(request: CutRequest, pixels: number): Promise<CutPlan> {
  const { box, mode, provenance, mask, signal } = request;
  const named = planesOf(request.planes);
  const { image: first } = named[0]!;
  const there = onImage(box, first.width, first.height);
  if (!there) throw new SkyError('no_coverage', `Nothing of the cutout lies on ${first.header.where}.`);
  const extent = mode === 'clip' ? there : box;
  const whole = extent.width === there.width && extent.height === there.height;
  const boxes = stripsOf(extent, pixels, Math.max(...named.map(({ image }) => image.rowsTogether)));
  // What was read for a blank value already, where that is all there is.
  const held = new Map<FitsImage, Plane>();
  const read = async (image: FitsImage, part: PixelBox): Promise<Plane> =>
    held.get(image) ?? image.read(part, signal);
  const parts = boxes.map((strip) => ({ strip, part: overlap(strip, there) }));

  const fillings = new Map<PlaneName, Filling>();
  for (const { name, image } of named) {
    const used = async (values: UsedValues): Promise<void> => {
      for (const { part } of parts) {
        if (!part) continue;
        const plane = await read(image, part);
        if (boxes.length === 1) held.set(image, plane);
        values.add(plane.data as Integers);
      }
    };
    fillings.set(name, whole ? asItIs(image) : await fillingOf(name, image, mask, used));
  }

  return {
    extent,
    rows: Math.max(...boxes.map(({ height }) => height)),
    planes: new Map(
      named.map(({ name, image }) => {
        const { bitpix, told } = fillings.get(name)!;
        const header = (coverage: number): Header =>
          told(cutHeader(image.header, extent, { ...provenance, CUTMODE: mode, COVERAGE: coverage }));
        return [name, { bitpix, header }];
      }),
    ),
    async *strips() {
      let values = 0;
      let warnings = warningsOf(request, { ...there, width: 0 }, new Map());
      const readAll = ({ part }: (typeof parts)[number]): Promise<Plane[]> =>
        Promise.all(
          named.map(async ({ image }) => (part ? await read(image, part) : noPixels(image.bitpix))),
        );
      for await (const [{ strip, part }, planes] of readAhead(parts, readAll, signal)) {
        if (part) {
          values += valued(planes[0]!.data, first.header);
          if (isIn(part, request))
            warnings = warningsOf(request, part, new Map(named.map(({ name }, i) => [name, planes[i]!])));
        }
        const from = part ?? { x0: strip.x0, y0: strip.y0, width: 0, height: 0 };
        const laid = named.map(({ name, image }, i): [PlaneName, Plane] => {
          const { header, prepared } = fillings.get(name)!;
          return [
            name,
            whole
              ? planes[i]!
              : surrounded(name, prepared(planes[i]!), header(image), from, strip, mask).plane,
          ];
        });
        yield { y0: strip.y0 - extent.y0, planes: Object.fromEntries(laid) };
      }
      const coverage = values / (box.width * box.height);
      if (coverage === 0)
        throw new SkyError('no_coverage', `No pixel of the cutout has a value on ${first.header.where}.`);
      return { coverage, warnings };
    },
  };
}

/** How pixels that a tile does not have are put beside those that it has. */
interface Filling {
  readonly bitpix: Bitpix;
  /** The header of a cut, with what the filling asks for. */
  told(header: Header): Header;
  /** Of the image, so that pixels that are prepared are filled with what was chosen. */
  header(image: FitsImage): Header;
  prepared(plane: Plane): Plane;
}

const asItIs = ({ bitpix }: FitsImage): Filling => ({
  bitpix,
  told: (header) => header,
  header: (image) => image.header,
  prepared: (plane) => plane,
});

/** @param used adds all of the image's pixels that are cut. */
async function fillingOf(
  name: PlaneName,
  image: FitsImage,
  mask: MaskBits | undefined,
  used: (values: UsedValues) => Promise<void>,
): Promise<Filling> {
  const none = noPixels(image.bitpix);
  if (name === 'mask' && mask) {
    const bits = 2 ** mask.noData;
    const { data } = maskedBy(none, bits, image.header);
    return {
      ...asItIs(image),
      bitpix: bitpixOf(data),
      told: (header) => maskedBy(none, bits, header).header,
    };
  }
  const { data } = none;
  if (data instanceof Float32Array || data instanceof Float64Array) return asItIs(image);
  if (givenBlank(data, image.header) !== undefined) return asItIs(image);
  for (let window = 0; ; window++) {
    const values = new UsedValues(image.bitpix, window);
    await used(values);
    const { free } = values;
    if (free !== undefined) {
      const told = (header: Header): Header => withBlank(header, free);
      return { ...asItIs(image), told, header: ({ header }) => told(header) };
    }
    if (!values.isLast) continue;
    const wider = widerPixels(data);
    const told = (header: Header): Header =>
      blankOf(wider, header.with('BITPIX', wider.BYTES_PER_ELEMENT * 8)).header;
    return {
      bitpix: bitpixOf(wider),
      told,
      header: ({ header }) => told(header),
      prepared: (plane) => ({ ...plane, data: widerPixels(plane.data as Integers) }),
    };
  }
}

/** Boxes of whole rows, which end where rows of compressed tiles do. */
function stripsOf(extent: PixelBox, pixels: number, together: number): PixelBox[] {
  const { x0, y0, width, height } = extent;
  if (width * height <= pixels) return [extent];
  const rows = Math.max(1, Math.floor(pixels / width));
  const boxes: PixelBox[] = [];
  for (let y = y0; y < y0 + height; ) {
    const whole = Math.floor((y + rows) / together) * together;
    const end = Math.min(y0 + height, whole > y ? whole : (Math.floor(y / together) + 1) * together);
    boxes.push({ x0, y0: y, width, height: end - y });
    y = end;
  }
  return boxes;
}

function overlap(strip: PixelBox, there: PixelBox): PixelBox | undefined {
  const y0 = Math.max(strip.y0, there.y0);
  const height = Math.min(strip.y0 + strip.height, there.y0 + there.height) - y0;
  return height > 0 ? { ...there, y0, height } : undefined;
}

/** Whether the place that warnings are about is in that part. */
function isIn(part: PixelBox, { box, centre }: CutRequest): boolean {
  const y = Math.round(centre?.[1] ?? box.y0 + (box.height - 1) / 2);
  return y >= part.y0 && y < part.y0 + part.height;
}

const noPixels = (bitpix: Bitpix): Plane => ({ width: 0, height: 0, data: makePixels(bitpix, 0) });
