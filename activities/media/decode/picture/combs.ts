/** Whether the two fields of a frame show two moments. */
import type { Frame } from 'node-av/lib';
import { formatName } from '../refusal.ts';

/** Luma steps of 255 that a row has to stand out from both its neighbours, the same way. */
const STANDS_OUT = 9;
/** Share of a block's pixels, of which those that stand out make it combed: texture and noise have fewer. */
const SHARE = 1 / 8;
/** Side of a block, pixels. */
const BLOCK = 16;

/**
 * Whether a decoded frame has combs anywhere: rows that stand out from those above and below, which are alike among themselves and unlike it
 * (the metric of telecine matchers: two against three rows of the fields). What is flagged as interlaced often is not: film at 25 f/s sent
 * as fields, three of five frames of a telecine, and what stands still; of those every row is worth keeping.
 */
export function isCombed(frame: Frame): boolean {
  const [plane] = frame.data ?? [];
  const [stride = 0] = frame.linesize;
  const name = formatName(frame);
  // Of more than eight bits, two bytes a pixel, the lower one first.
  const depth = Number(
    /p(9|10|12|14|16)le$/.exec(name)?.[1] ?? /^gray(9|10|12|14|16)le$/.exec(name)?.[1] ?? 8,
  );
  if (plane === undefined || !/^(yuv|gray|gbrp)/.test(name) || name.endsWith('be')) return true;
  const bytes = depth > 8 ? 2 : 1;
  const at =
    bytes === 1
      ? (offset: number) => plane[offset]!
      : (offset: number) => (plane[offset]! | (plane[offset + 1]! << 8)) >> (depth - 8);
  const { width, height } = frame;
  const across = Math.ceil(width / BLOCK);
  const counts = new Uint16Array(across * Math.ceil(height / BLOCK));
  const most = BLOCK * BLOCK * SHARE;
  for (let y = 2; y < height - 2; y++)
    for (let x = 0; x < width; x++) {
      const here = y * stride + x * bytes;
      const own = at(here);
      const above = at(here - stride);
      const below = at(here + stride);
      const up = own - above;
      const down = own - below;
      if (!((up > STANDS_OUT && down > STANDS_OUT) || (up < -STANDS_OUT && down < -STANDS_OUT))) continue;
      const own5 = at(here - 2 * stride) + 4 * own + at(here + 2 * stride);
      if (Math.abs(own5 - 3 * (above + below)) <= 6 * STANDS_OUT) continue;
      const block = Math.floor(y / BLOCK) * across + Math.floor(x / BLOCK);
      if (++counts[block]! > most) return true;
    }
  return false;
}
