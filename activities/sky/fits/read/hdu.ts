/** What an HDU is, from its header: kind, and how many bytes of data follow. */
import { SkyError } from '../../errors.ts';
import type { Header } from '../header/header.ts';
import type { FitsLimits } from '../limits.ts';
import type { Bitpix, HduKind } from './file.ts';

export interface HduShape {
  readonly kind: HduKind;
  readonly dataBytes: number;
}

const MAX_AXES = 999;
const BITPIX: readonly number[] = [8, 16, 32, 64, -32, -64];

export function bitpixOf(header: Header, keyword = 'BITPIX'): Bitpix {
  const bitpix = header.integer(keyword);
  if (!BITPIX.includes(bitpix)) {
    throw new SkyError(
      'invalid_fits',
      `${keyword} of ${header.where} is ${bitpix}, which is none of the standard.`,
    );
  }
  return bitpix as Bitpix;
}

/** A count: 0 or more. Throws SkyError `invalid_fits` for a negative one, `fits_too_large` beyond 2^53. */
export function countOf(header: Header, keyword: string, otherwise?: number): number {
  const value = header.value(keyword);
  if (typeof value === 'bigint' && value > 0n) {
    throw new SkyError('fits_too_large', `${keyword} of ${header.where} is ${value}.`);
  }
  const count = header.integer(keyword, otherwise);
  if (count < 0)
    throw new SkyError('invalid_fits', `${keyword} of ${header.where} is ${count}, less than 0.`);
  return count;
}

/** Lengths of the axes: NAXIS1, … Throws as {@link countOf} does. */
export function axesOf(header: Header, prefix = ''): number[] {
  const naxis = countOf(header, `${prefix}NAXIS`);
  if (naxis > MAX_AXES) {
    throw new SkyError(
      'invalid_fits',
      `${prefix}NAXIS of ${header.where} is ${naxis}; a file has at most ${MAX_AXES} axes.`,
    );
  }
  return Array.from({ length: naxis }, (_, i) => countOf(header, `${prefix}NAXIS${i + 1}`));
}

function isCompressed(header: Header): boolean {
  return header.value('ZIMAGE') === true && header.value('XTENSION') === 'BINTABLE';
}

/** Throws SkyError `invalid_fits`, `fits_too_large`. */
export function shapeOf(header: Header, limits: FitsLimits): HduShape {
  const axes = axesOf(header);
  const groups = axes[0] === 0 && header.value('GROUPS') === true;
  const points = (groups ? axes.slice(1) : axes).reduce(
    (product, axis) => product * axis,
    axes.length > 0 ? 1 : 0,
  );
  const parameters = countOf(header, 'PCOUNT', 0);
  const sets = countOf(header, 'GCOUNT', 1);
  const dataBytes = (Math.abs(bitpixOf(header)) / 8) * sets * (parameters + points);
  const extension = header.value('XTENSION') ?? 'IMAGE';
  const isImage = (extension === 'IMAGE' || extension === 'IUEIMAGE') && !groups;
  if (!Number.isSafeInteger(dataBytes) || (isImage && points > limits.pixels)) {
    throw new SkyError(
      'fits_too_large',
      `${header.where} promises ${points} values; at most ${limits.pixels} are read.`,
    );
  }
  if (isCompressed(header)) return { kind: 'compressed', dataBytes };
  if (dataBytes === 0) return { kind: 'empty', dataBytes };
  return { kind: isImage ? 'image' : 'table', dataBytes };
}

/** Width and height of an image: axes beyond the second have the length 1. Throws SkyError `unsupported_fits` for any other. */
export function sizeOf(
  header: Header,
  axes: readonly number[],
  limits: FitsLimits,
): { width: number; height: number } {
  const [width = 0, height = 0, ...further] = axes;
  if (axes.length < 2 || width === 0 || height === 0 || further.some((axis) => axis !== 1)) {
    const shape = axes.length === 0 ? 'no axes' : `the axes ${axes.join(' × ')}`;
    throw new SkyError(
      'unsupported_fits',
      `${header.where} has ${shape}; images of two dimensions are read.`,
    );
  }
  if (width * height > limits.pixels) {
    throw new SkyError(
      'fits_too_large',
      `${header.where} promises ${width} × ${height} pixels; at most ${limits.pixels} are read.`,
    );
  }
  return { width, height };
}
