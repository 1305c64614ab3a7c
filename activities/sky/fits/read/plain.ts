/** Pixels of an image that lies in the file as it is: big-endian, row by row. */
import { coalesce, type Range } from '../../bytes/ranges.ts';
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

/** Boxes that are read side by side. */
const BOXES_AT_ONCE = 8;

/** @param header of the image, with what it inherits. Throws SkyError `unsupported_fits`, `fits_too_large`. */
export function plainImage(source: ByteSource, hdu: Hdu, header: Header, limits: FitsLimits): FitsImage {
  const { index, name, dataOffset } = hdu;
  const bitpix = bitpixOf(header);
  const size = Math.abs(bitpix) / 8;
  const { width, height } = sizeOf(header, axesOf(header), limits);

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
      const planes: Plane[] = [];
      for (let i = 0; i < boxes.length; i += BOXES_AT_ONCE)
        planes.push(
          ...(await Promise.all(boxes.slice(i, i + BOXES_AT_ONCE).map((box) => image.read(box, signal)))),
        );
      return planes;
    },
  };
  return image;
}
