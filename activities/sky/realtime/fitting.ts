/** Whether a cutout may be the answer to one request, and if not, which size would be. Pure. */

import type { CutSize, Length } from '../cut/request.ts';

/** What is wrong with a size, in words; undefined for one that may be. */
export type Judge = (size: CutSize) => string | undefined;

/** Steps of the search: the size is found to a part in some ten thousand. */
const steps = 16;

/** The largest size of the same shape that may be; undefined where none may. */
export function nearestSize(size: CutSize, judge: Judge): CutSize | undefined {
  let [fits, over] = [0, 1];
  for (let step = 0; step < steps; step++) {
    const middle = (fits + over) / 2;
    if (judge(scaled(size, middle)) === undefined) fits = middle;
    else over = middle;
  }
  const found = rounded(scaled(size, fits));
  const isSize = found.width.value > 0 && found.height.value > 0;
  return isSize && judge(found) === undefined ? found : undefined;
}

/** As a request writes it. */
export function writeSize({ width, height }: CutSize): string {
  const [first, second] = [writeLength(width), writeLength(height)];
  return first === second ? first : `${first}x${second}`;
}

function writeLength({ value, unit }: Length): string {
  if (unit === 'px') return `${value}px`;
  if (value >= 1) return `${trimmed(value)}deg`;
  return value >= 1 / 60 ? `${trimmed(value * 60)}arcmin` : `${trimmed(value * 3600)}arcsec`;
}

const trimmed = (value: number): string => String(Number(value.toFixed(4)));

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
