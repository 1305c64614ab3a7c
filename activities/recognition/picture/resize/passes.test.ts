import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compilePasses } from './compile-passes.ts';
import { CHANNELS, type Part, passAcross, passDown, type Weights } from './passes.ts';
import { passesCode } from './passes-code.ts';

it('is compiled from the text beside it', async () => {
  expect(passesCode).toBe(await compilePasses());
});

/** A value of the result as Pillow has it: fixed point of 22 bits, a half added, clipped. */
function sumOf(weights: Weights, pixel: number, sourceAt: (index: number) => number): number {
  const { starts, counts, values, taps } = weights;
  let sum = 1 << 21;
  for (let tap = 0; tap < counts[pixel]!; tap++)
    sum += sourceAt(starts[pixel]! + tap) * values[pixel * taps + tap]!;
  return Math.min(255, Math.max(0, sum >> 22));
}

/** Pictures within larger ones, small and of several strips, and weights of any sign that add up to one. */
const pictures = fc
  .record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(3000)),
    beside: fc.integer({ min: 0, max: 7 }),
    offset: fc.integer({ min: 0, max: 50 }),
    pixels: fc.integer({ min: 1, max: 33 }),
    taps: fc.integer({ min: 1, max: 9 }),
    seed: fc.integer({ min: 0, max: 1e6 }),
  })
  .map(({ width, height, beside, offset, ...rest }) => {
    const stride = (width + beside) * CHANNELS;
    const data = Uint8Array.from({ length: offset + height * stride }, (_, i) => (i * 7919 + rest.seed) >> 3);
    return { part: { data, offset, stride, width, height } satisfies Part, ...rest };
  });

function weightsOf(length: number, pixels: number, taps: number): Weights {
  const counts = Int32Array.from({ length: pixels }, (_, i) => Math.min(length, 1 + (i % taps)));
  const starts = counts.map((count, i) => Math.floor((i * (length - count)) / Math.max(1, pixels - 1)));
  const values = new Int32Array(pixels * taps);
  counts.forEach((count, i) => {
    for (let tap = 0; tap < count; tap++)
      values[i * taps + tap] = (tap % 2 === 0 ? 1.5 : -0.5) * ((1 << 22) / Math.ceil(count / 2));
  });
  return { from: 0, to: length, starts, counts, values, taps };
}

it('adds up each pixel across', () => {
  fc.assert(
    fc.property(pictures, ({ part, pixels, taps }) => {
      const weights = weightsOf(part.width, pixels, taps);
      const made = passAcross(part, weights);
      for (let at = 0; at < made.data.length; at++) {
        const [row, x, channel] = [
          Math.floor(at / made.stride),
          Math.floor((at % made.stride) / CHANNELS),
          at % CHANNELS,
        ];
        const from = part.offset + row * part.stride + channel;
        const wanted = sumOf(weights, x, (index) => part.data[from + index * CHANNELS]!);
        if (made.data[at] !== wanted) expect({ row, x, channel, value: made.data[at] }).toBe(wanted);
      }
    }),
    { numRuns: 20 },
  );
});

it('adds up each pixel down', () => {
  fc.assert(
    fc.property(pictures, ({ part, pixels, taps }) => {
      const weights = weightsOf(part.height, pixels, taps);
      const made = passDown(part, weights);
      expect([made.width, made.height]).toEqual([part.width, pixels]);
      for (let at = 0; at < made.data.length; at++) {
        const [row, column] = [Math.floor(at / made.stride), at % made.stride];
        const wanted = sumOf(weights, row, (index) => part.data[part.offset + index * part.stride + column]!);
        if (made.data[at] !== wanted) expect({ row, column, value: made.data[at] }).toBe(wanted);
      }
    }),
    { numRuns: 20 },
  );
});
