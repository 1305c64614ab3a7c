import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeRice, riceBlock, riceBound } from '../../write/tiles/rice.ts';
import { RiceDecoder } from './rice.ts';

/** Noise of every strength, with a step now and then: blocks of equal values, of few and of many low bits, and uncoded ones. */
const streams = fc
  .record({
    bits: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 12 }),
    seed: fc.integer({ min: 1, max: 2 ** 31 - 2 }),
    last: fc.integer({ min: 1, max: riceBlock }),
  })
  .map(({ bits, seed, last }) => {
    const values = new Int32Array((bits.length - 1) * riceBlock + last);
    let state = seed;
    for (let i = 0; i < values.length; i++) {
      state = (state * 16807) % 2147483647;
      const noise = state % 2 ** bits[Math.floor(i / riceBlock)]!;
      values[i] = state % 61 === 0 ? -noise * 3 : noise;
    }
    return values;
  });

function encoded(values: Int32Array): Uint8Array {
  const out = new Uint8Array(riceBound(values.length, 4));
  return out.slice(0, encodeRice(values, values.length, 4, out, 0));
}

it('a stream gives what was put into it, as far as it is asked for', () => {
  const decoder = new RiceDecoder();
  fc.assert(
    fc.property(streams, fc.double({ min: 0, max: 1, noNaN: true }), (values, part) => {
      const bytes = encoded(values);
      const count = Math.max(1, Math.ceil(part * values.length));
      const out = new Int32Array(count + 1).fill(7);
      expect(decoder.decode(bytes, out, count, riceBlock, 4)).toBe(true);
      expect(out.subarray(0, count)).toEqual(values.subarray(0, count));
      expect(out[count]).toBe(7);
    }),
    { numRuns: 400 },
  );
});

it('one that was cut off, or is noise itself, ends or is refused, and is never read beyond', () => {
  const decoder = new RiceDecoder();
  fc.assert(
    fc.property(streams, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (values, part, noise) => {
      const whole = encoded(values);
      const bytes = whole.slice(0, Math.floor(part * whole.length));
      if (noise) for (let i = 4; i < bytes.length; i++) bytes[i] = bytes[i]! ^ (i * 41);
      const out = new Int32Array(values.length);
      const done = decoder.decode(bytes, out, values.length, riceBlock, 4);
      // Bits of the last byte may be none of the stream's.
      if (!noise && done) expect(out).toEqual(values);
    }),
    { numRuns: 400 },
  );
});
