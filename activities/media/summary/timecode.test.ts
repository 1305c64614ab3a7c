import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameAt, parseTimecode, shiftTimecode, timecode, timecodeRate } from './timecode.ts';

const ntsc = timecodeRate(30_000 / 1001);
const ntscDouble = timecodeRate(60_000 / 1001);

/** Hours, minutes, seconds, frames. */
const numbers = (code: string): number[] => code.split(/[:;]/).map(Number);

describe('timecodeRate', () => {
  it.each([
    [23.976, { nominal: 24, dropFrame: false }],
    [24, { framesPerSecond: 24, nominal: 24, dropFrame: false }],
    [25, { framesPerSecond: 25, nominal: 25, dropFrame: false }],
    [29.97, { framesPerSecond: 30_000 / 1001, nominal: 30, dropFrame: true }],
    [30, { framesPerSecond: 30, nominal: 30, dropFrame: false }],
    [59.94, { nominal: 60, dropFrame: true }],
    [119.88, { framesPerSecond: 60_000 / 1001, nominal: 60, dropFrame: true }],
    [240, { framesPerSecond: 60, nominal: 60, dropFrame: false }],
    [12.5, { framesPerSecond: 13, nominal: 13, dropFrame: false }],
    [0.2, { framesPerSecond: 1, nominal: 1 }],
    [null, { framesPerSecond: 25, nominal: 25 }],
    [0, { framesPerSecond: 25, nominal: 25 }],
  ])('of %s frames a second', (framesPerSecond, rate) => {
    expect(timecodeRate(framesPerSecond)).toMatchObject(rate);
  });
});

describe('timecode', () => {
  it.each([
    [0, '00:00:00:00'],
    [24, '00:00:00:24'],
    [25, '00:00:01:00'],
    [25 * 3600, '01:00:00:00'],
    [25 * 86_400 + 1, '00:00:00:01'],
  ])('of frame %i at 25', (frame, code) => {
    expect(timecode(frame, timecodeRate(25))).toBe(code);
  });

  // The table every text about drop-frame prints.
  it.each([
    [1799, '00:00:59;29'],
    [1800, '00:01:00;02'],
    [3597, '00:01:59;29'],
    [3598, '00:02:00;02'],
    [17_981, '00:09:59;29'],
    [17_982, '00:10:00;00'],
    [17_983, '00:10:00;01'],
    [19_781, '00:10:59;29'],
    [19_782, '00:11:00;02'],
    [107_892, '01:00:00;00'],
    [24 * 107_892, '00:00:00;00'],
  ])('of frame %i at 29.97', (frame, code) => {
    expect(timecode(frame, ntsc)).toBe(code);
  });

  it.each([
    [3599, '00:00:59;59'],
    [3600, '00:01:00;04'],
    [35_964, '00:10:00;00'],
    [215_784, '01:00:00;00'],
  ])('of frame %i at 59.94', (frame, code) => {
    expect(timecode(frame, ntscDouble)).toBe(code);
  });

  it('keeps step with the clock where it drops, uses no dropped number, and goes up', () => {
    const aDay = fc.integer({ min: 0, max: 24 * 107_892 - 2 });
    fc.assert(
      fc.property(aDay, fc.constantFrom(ntsc, ntscDouble), (frame, rate) => {
        const seconds = (code: string) => {
          const [h = 0, m = 0, s = 0, f = 0] = numbers(code);
          return h * 3600 + m * 60 + s + f / rate.nominal;
        };
        const code = timecode(frame, rate);
        // Two frames within ten minutes, and what dropping leaves over: 86 ms a day.
        expect(Math.abs(seconds(code) - frame / rate.framesPerSecond)).toBeLessThan(0.16);
        const [, m = 0, s = 0, f = 0] = numbers(code);
        if (s === 0 && m % 10 !== 0) expect(f).toBeGreaterThanOrEqual(rate.nominal / 15);
        expect(seconds(timecode(frame + 1, rate))).toBeGreaterThan(seconds(code));
      }),
      { numRuns: 500 },
    );
  });

  it('finds the frame that a time belongs to', () => {
    for (const frame of [0, 1, 1001, 17_982, 100_000])
      expect(frameAt((frame * 1001) / 30_000, ntsc)).toBe(frame);
    expect(frameAt(-0.02, ntsc)).toBe(0);
  });
});

it('reads what it writes, and a dropped number as the next one', () => {
  const rates = [timecodeRate(24), timecodeRate(25), ntsc, ntscDouble, { ...ntsc, dropFrame: false }];
  fc.assert(
    fc.property(fc.nat(24 * 86_000), fc.constantFrom(...rates), (frame, rate) => {
      expect(parseTimecode(timecode(frame, rate), { ...rate, dropFrame: rate.nominal % 30 === 0 })).toEqual({
        frame,
        rate,
      });
    }),
  );
  expect(parseTimecode('00:01:00;00', ntsc)?.frame).toBe(1800);
  expect(timecode(shiftTimecode(0, -1, ntsc), ntsc)).toBe('23:59:59;29');
});
