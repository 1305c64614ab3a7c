import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromIcrs, toIcrs } from './frames.ts';
import { apart } from './testing.ts';
import type { CelestialFrame } from './wcs.ts';

/** tools/oracle/sky_frames.py. */
const { icrs, values }: { icrs: [number, number][]; values: Record<string, [number, number][]> } = JSON.parse(
  readFileSync(new URL('../../../test/oracle/sky/frames.json', import.meta.url), 'utf8'),
);

describe.each(['fk5', 'fk4', 'galactic'] satisfies CelestialFrame[])('%s', (frame) => {
  it('as astropy has it, there and back', () => {
    expect(values[frame]).toHaveLength(icrs.length);
    icrs.forEach(([lon, lat], i) => {
      const [l, b] = values[frame]![i]!;
      expect(apart(...fromIcrs(frame, lon, lat), l, b)).toBeLessThan(1e-11);
      // The matrix of FK4 turns back to 1e-9° alone, in astropy too.
      expect(apart(...toIcrs(frame, l, b), lon, lat)).toBeLessThan(frame === 'fk4' ? 2e-9 : 1e-11);
    });
  });
});

it('ICRS stays what it is', () => {
  expect(toIcrs('icrs', 12.25, -7)).toEqual([12.25, -7]);
  expect(fromIcrs('icrs', 12.25, -7)).toEqual([12.25, -7]);
});
