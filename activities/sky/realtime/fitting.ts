/** Whether a cutout may be the answer to one request, and if not, which size would be. Pure. */

import type { CutSize, Length } from '../cut/request.ts';

/** What is wrong with a size, in words; undefined for one that may be. */
export type Judge = (size: CutSize) => string | undefined;

/** Steps of the search within a factor of two: so near to a limit in degrees that rounding finds the limit itself. */
const steps = 40;

/** The largest size of the same shape that may be; undefined where none may. */
export function nearestSize(size: CutSize, judge: Judge): CutSize | undefined {
  let [fits, over] = [0.5, 1];
  while (judge(scaled(size, fits)) !== undefined) {
    if (!isSize(rounded(scaled(size, fits)))) return undefined;
    [fits, over] = [fits / 2, fits];
  }
  for (let step = 0; step < steps; step++) {
    const middle = (fits + over) / 2;
    if (judge(scaled(size, middle)) === undefined) fits = middle;
    else over = middle;
  }
  const found = rounded(scaled(size, fits));
  return isSize(found) && judge(found) === undefined ? found : undefined;
}

const isSize = ({ width, height }: CutSize): boolean => width.value > 0 && height.value > 0;

/** As a request writes it. */
export function writeSize({ width, height }: CutSize): string {
  const [first, second] = [writeLength(width), writeLength(height)];
  return first === second ? first : `${first}x${second}`;
}

/** In the largest unit in which it takes few digits: rounded, it could be beyond the limit that it was found by. */
function writeLength({ value, unit }: Length): string {
  if (unit === 'px') return `${value}px`;
  for (const [name, perDegree] of units) {
    const written = Number((value * perDegree).toFixed(4));
    if (written >= 1 && Math.abs(written / perDegree / value - 1) < 1e-12) return `${written}${name}`;
  }
  return `${Number((3600 * value).toPrecision(15))}arcsec`;
}

const units = [
  ['deg', 1],
  ['arcmin', 60],
  ['arcsec', 3600],
] as const;

const each = ({ width, height }: CutSize, change: (of: Length) => number): CutSize => ({
  width: { ...width, value: change(width) },
  height: { ...height, value: change(height) },
});

const scaled = (size: CutSize, by: number): CutSize => each(size, ({ value }) => value * by);

/** Down to what is written without many digits: whole pixels, seconds of arc. */
const rounded = (size: CutSize): CutSize =>
  each(size, ({ value, unit }) =>
    unit === 'px' ? Math.floor(value) : Math.floor(value * 3600 + 1e-9) / 3600,
  );
