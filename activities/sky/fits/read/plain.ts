/** Pixels of an image that lies in the file as it is: big-endian, row by row. */
import { assign, coalesce, type Range } from '../../bytes/ranges.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import type { PixelBox, Pixels, Plane } from '../../image/plane.ts';
import type { Header } from '../header/header.ts';
import type { FitsLimits } from '../limits.ts';
import { readPieces } from './fetch.ts';
import type { Bitpix, FitsImage, Hdu } from './file.ts';
import { axesOf, bitpixOf, sizeOf } from './hdu.ts';

/** @param shared in memory that other threads may write to */
export function makePixels(bitpix: Bitpix, length: number, shared = false): Pixels {
  const bytes = (length * Math.abs(bitpix)) / 8;
  const memory = shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
  switch (bitpix) {
    case 8:
      return new Uint8Array(memory);
    case 16:
      return new Int16Array(memory);
    case 32:
      return new Int32Array(memory);
    case 64:
      return new BigInt64Array(memory);
    case -32:
      return new Float32Array(memory);
    case -64:
      return new Float64Array(memory);
  }
}

/** Throws SkyError `invalid_cutout` unless the box lies inside the image and is not empty, `fits_too_large` for one of too many pixels. */
export function requireInside(image: FitsImage, box: PixelBox, where: string, limits: FitsLimits): void {
  const { x0, y0, width, height } = box;
  const whole = [x0, y0, width, height].every(Number.isSafeInteger);
  if (
    !whole ||
    x0 < 0 ||
    y0 < 0 ||
    width < 1 ||
    height < 1 ||
    x0 + width > image.width ||
    y0 + height > image.height
  ) {
    throw new SkyError(
      'invalid_cutout',
      `The box ${width} × ${height} at ${x0}, ${y0} is not inside ${where} of ${image.width} × ${image.height} pixels.`,
    );
  }
  if (width * height > limits.boxPixels) {
    throw new SkyError(
      'fits_too_large',
      `The box has ${width * height} pixels; at most ${limits.boxPixels} are read at once.`,
    );
  }
}

/** Copies `count` big-endian values of `size` bytes, turned to the machine's order, into `target`. */
export function copySwapped(
  bytes: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  count: number,
  size: number,
): void {
  const part = Buffer.from(target.buffer, target.byteOffset + to, count * size);
  part.set(bytes.subarray(from, from + count * size));
  if (size === 2) part.swap16();
  else if (size === 4) part.swap32();
  else if (size === 8) part.swap64();
}

/** Of which a list is in memory at a time. */
const ROWS_AT_ONCE = 65_536;
/** Longer rows are read in pieces; a multiple of every pixel's bytes. */
const PIECE_BYTES = 4 * 2 ** 20;

function rowPieces(first: number, stride: number, rowBytes: number, rows: number): Range[] {
  const pieces: Range[] = [];
  for (let y = 0; y < rows; y++) {
    const row = first + y * stride;
    for (let at = 0; at < rowBytes; at += PIECE_BYTES) {
      pieces.push({ start: row + at, end: row + Math.min(rowBytes, at + PIECE_BYTES) });
    }
  }
  return pieces;
}

/** A box, and where it stands among those that were asked for. */
interface Numbered {
  readonly at: number;
  readonly box: PixelBox;
}

/** Boxes whose rows are read together, from the first row of the image on; those of very many rows, or of long ones, each alone. */
function inPortions(boxes: readonly PixelBox[]): Numbered[][] {
  const portions: Numbered[][] = [];
  let rows = 0;
  for (const one of boxes.map((box, at) => ({ at, box })).sort((a, b) => a.box.y0 - b.box.y0)) {
    const { width, height } = one.box;
    const isLong = 8 * width > PIECE_BYTES;
    const last = portions.at(-1);
    if (last === undefined || isLong || rows + height > ROWS_AT_ONCE) {
      portions.push([one]);
      rows = isLong ? ROWS_AT_ONCE : height;
    } else {
      last.push(one);
      rows += height;
    }
  }
  return portions;
}

/** @param header of the image, with what it inherits. Throws SkyError `unsupported_fits`, `fits_too_large`. */
export function plainImage(source: ByteSource, hdu: Hdu, header: Header, limits: FitsLimits): FitsImage {
  const { index, name, dataOffset } = hdu;
  const bitpix = bitpixOf(header);
  const size = Math.abs(bitpix) / 8;
  const { width, height } = sizeOf(header, axesOf(header), limits);

  /** What rows have in common is read once. */
  const readRows = async (some: readonly Numbered[], signal: AbortSignal | undefined) => {
    const read = some.map(({ at, box }) => {
      const data = makePixels(bitpix, box.width * box.height);
      return { at, box, plane: { width: box.width, height: box.height, data } };
    });
    const rows = read.flatMap(({ box, plane: { data } }) => {
      const target = new Uint8Array(data.buffer);
      const rowBytes = box.width * size;
      return Array.from({ length: box.height }, (_, y) => {
        const start = dataOffset + ((box.y0 + y) * width + box.x0) * size;
        return { start, end: start + rowBytes, target, to: y * rowBytes };
      });
    });
    rows.sort((a, b) => a.start - b.start || a.end - b.end);
    const ranges = coalesce(rows);
    const byRange = assign(rows, ranges);
    await readPieces(source, ranges, signal, (range, bytes) => {
      for (const { start, end, target, to } of byRange.get(range) ?? [])
        copySwapped(bytes, start - range.start, target, to, (end - start) / size, size);
    });
    return read;
  };

  const image: FitsImage = {
    name,
    index,
    header,
    bitpix,
    width,
    height,
    compression: undefined,
    rowsTogether: 1,
    async read(box: PixelBox, signal?: AbortSignal): Promise<Plane> {
      requireInside(image, box, header.where, limits);
      const data = makePixels(bitpix, box.width * box.height);
      const target = new Uint8Array(data.buffer);
      const rowBytes = box.width * size;
      const stride = width * size;
      for (let y0 = 0; y0 < box.height; y0 += ROWS_AT_ONCE) {
        const rows = Math.min(ROWS_AT_ONCE, box.height - y0);
        const first = dataOffset + (box.y0 + y0) * stride + box.x0 * size;
        const pieces = rowPieces(first, stride, rowBytes, rows);
        await readPieces(source, coalesce(pieces), signal, ({ start }, bytes) => {
          const end = start + bytes.length;
          for (let y = Math.max(0, Math.floor((start - first) / stride)); y < rows; y++) {
            const row = first + y * stride;
            const from = Math.max(start, row);
            if (from >= end) break;
            const count = (Math.min(end, row + rowBytes) - from) / size;
            const to = (y0 + y) * rowBytes + from - row;
            if (count > 0) copySwapped(bytes, from - start, target, to, count, size);
          }
        });
      }
      return { width: box.width, height: box.height, data };
    },
    async readMany(boxes, signal) {
      for (const box of boxes) requireInside(image, box, header.where, limits);
      const planes: Plane[] = [];
      for (const some of inPortions(boxes)) {
        const [alone] = some;
        if (some.length === 1 && alone !== undefined) planes[alone.at] = await image.read(alone.box, signal);
        else for (const { at, plane } of await readRows(some, signal)) planes[at] = plane;
      }
      return planes;
    },
  };
  return image;
}
