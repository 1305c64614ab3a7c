import { describe, expect, it } from 'vitest';
import type { Pixels } from '../../image/plane.ts';
import { Header } from '../header/header.ts';
import { maskBits, physical } from './physical.ts';

const header = (values: Record<string, number | bigint>): Header =>
  new Header(Object.entries(values).map(([keyword, value]) => ({ keyword, value, comment: '' })));
const plane = (data: Pixels) => ({ width: data.length, height: 1, data });

describe('physical values', () => {
  it.each<[string, Pixels, Record<string, number | bigint>, Float32Array | Float64Array]>([
    [
      'unsigned 16-bit integers',
      Int16Array.of(-32768, 32767),
      { BITPIX: 16, BZERO: 32768 },
      Float32Array.of(0, 65535),
    ],
    [
      'integers with BLANK',
      Int16Array.of(1, -9, 3),
      { BITPIX: 16, BSCALE: 0.5, BLANK: -9 },
      Float32Array.of(0.5, NaN, 1.5),
    ],
    ['bytes', Uint8Array.of(0, 255), { BITPIX: 8, BLANK: 255 }, Float32Array.of(0, NaN)],
    ['32-bit integers', Int32Array.of(123456789), { BITPIX: 32 }, Float64Array.of(123456789)],
    [
      'unsigned 64-bit integers',
      BigInt64Array.of(-9223372036854775808n, 5n),
      { BITPIX: 64, BZERO: 2 ** 63, BLANK: 5 },
      Float64Array.of(0, NaN),
    ],
    [
      'the largest of 64-bit integers as BLANK',
      BigInt64Array.of(9223372036854775807n, 9223372036854775806n),
      { BITPIX: 64, BLANK: 9223372036854775807n },
      Float64Array.of(NaN, 2 ** 63),
    ],
    [
      '64-bit integers with a BLANK that is none',
      BigInt64Array.of(5n),
      { BITPIX: 64, BLANK: 5.5 },
      Float64Array.of(5),
    ],
    [
      'floats, whatever BLANK says',
      Float32Array.of(1, 2),
      { BITPIX: -32, BZERO: 1, BLANK: 2 },
      Float32Array.of(2, 3),
    ],
    ['doubles', Float64Array.of(0.1), { BITPIX: -64, BSCALE: 2 }, Float64Array.of(0.2)],
  ])('of %s', (_, data, values, wanted) => {
    expect(physical(plane(data), header(values)).data).toEqual(wanted);
  });

  it('of floats without scaling are not copied', () => {
    const data = Float32Array.of(1);
    expect(physical(plane(data), header({ BITPIX: -32, BSCALE: 1 })).data).toBe(data);
  });
});

describe('bits of masks', () => {
  it('are the integers, unsigned ones with their offset', () => {
    expect(maskBits(plane(Uint8Array.of(7)), header({ BITPIX: 8 })).data).toEqual(Uint8Array.of(7));
    expect(maskBits(plane(Int16Array.of(-32767)), header({ BITPIX: 16, BZERO: 32768 })).data).toEqual(
      Int32Array.of(1),
    );
    const top = maskBits(plane(Int32Array.of(0)), header({ BITPIX: 32, BZERO: 2147483648 })).data;
    expect(Number(top[0]) >>> 0).toBe(2147483648);
  });

  it('are not those of floats', () => {
    expect(() => maskBits(plane(Float32Array.of(1)), header({ BITPIX: -32 }))).toThrow(
      expect.objectContaining({ code: 'unsupported_fits' }),
    );
  });
});
