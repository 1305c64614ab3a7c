/** From stored values to what they mean: BSCALE × value + BZERO, and BLANK. */
import { SkyError } from '../../errors.ts';
import type { Plane } from '../../image/plane.ts';
import type { Header } from '../header/header.ts';

interface Scaling {
  readonly scale: number;
  readonly zero: number;
  /** Stored value of a pixel without one; of integers only. */
  readonly blank: number | bigint | undefined;
}

/** BLANK of integer pixels; undefined also where it is no integer, which is what no pixel has. */
export function blankValue(header: Header): number | bigint | undefined {
  const blank = header.value('BLANK');
  return typeof blank === 'bigint' || (typeof blank === 'number' && Number.isInteger(blank))
    ? blank
    : undefined;
}

function scalingOf(header: Header): Scaling {
  const floating = header.number('BITPIX') < 0;
  return {
    scale: header.number('BSCALE', 1),
    zero: header.number('BZERO', 0),
    blank: floating ? undefined : blankValue(header),
  };
}

/**
 * Physical values of stored ones: BSCALE and BZERO applied (in double precision, then rounded to the result's), NaN for BLANK. Float32 for
 * BITPIX 8, 16 and -32, Float64 for 32, 64 and -64. Floats without scaling are given as they are, not copied.
 */
export function physical(plane: Plane, header: Header): Plane<Float32Array | Float64Array> {
  const { width, height, data } = plane;
  const { scale, zero, blank } = scalingOf(header);
  if (data instanceof Float32Array || data instanceof Float64Array) {
    if (scale === 1 && zero === 0) return { width, height, data };
    const out = data instanceof Float32Array ? new Float32Array(data.length) : new Float64Array(data.length);
    for (let i = 0; i < out.length; i++) out[i] = data[i]! * scale + zero;
    return { width, height, data: out };
  }
  const out =
    data instanceof Uint8Array || data instanceof Int16Array
      ? new Float32Array(data.length)
      : new Float64Array(data.length);
  if (data instanceof BigInt64Array) scaleLongs(data, out, scale, zero, blank);
  else {
    const none = blank === undefined ? undefined : Number(blank);
    for (let i = 0; i < out.length; i++) {
      const value = data[i]!;
      out[i] = value === none ? Number.NaN : value * scale + zero;
    }
  }
  return { width, height, data: out };
}

function scaleLongs(
  data: BigInt64Array,
  out: Float32Array | Float64Array,
  scale: number,
  zero: number,
  blank: number | bigint | undefined,
): void {
  const none = blank === undefined ? undefined : BigInt(blank);
  // Unsigned integers of 64 bits are stored less 2^63: their sum is exact before it is rounded.
  const offset = scale === 1 && Number.isInteger(zero) ? BigInt(zero) : undefined;
  for (let i = 0; i < out.length; i++) {
    const value = data[i]!;
    if (value === none) out[i] = Number.NaN;
    else out[i] = offset === undefined ? Number(value) * scale + zero : Number(value + offset);
  }
}

/**
 * Bits of a mask: stored integers, with the BZERO of unsigned ones applied (signed bytes by BZERO -128 too). The type that holds them all: 8
 * and 16 bits by Int32 where BZERO is not 0. Throws SkyError `unsupported_fits` for floats and for a scale that is not 1.
 */
export function maskBits(
  plane: Plane,
  header: Header,
): Plane<Uint8Array | Int16Array | Int32Array | BigInt64Array> {
  const { width, height, data } = plane;
  const { scale, zero } = scalingOf(header);
  if (
    data instanceof Float32Array ||
    data instanceof Float64Array ||
    scale !== 1 ||
    !Number.isInteger(zero)
  ) {
    throw new SkyError('unsupported_fits', `${header.where} is no mask: its pixels are not integers.`);
  }
  if (zero === 0) return { width, height, data };
  if (data instanceof BigInt64Array) {
    const offset = BigInt(zero);
    return { width, height, data: data.map((value) => value + offset) };
  }
  // 2^31 + value wraps: the bits are those of the unsigned number.
  const out = new Int32Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = (data[i]! + zero) | 0;
  return { width, height, data: out };
}
