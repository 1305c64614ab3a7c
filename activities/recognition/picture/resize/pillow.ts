/**
 * Pillow's `Image.resize` for 8 bits a channel, to the level: the two passes of `src/libImaging/Resample.c` of Pillow 13.0.0 (MIT-CMU licence), its
 * coefficients in fixed point, its rounding, its order of passes. Up to Pillow 12 the horizontal pass always came first: at most a level apart.
 */
import type { PillowFilter } from '../../model/card/preprocess.ts';
import type { Size } from '../fit.ts';
import { CHANNELS, type Part, passAcross, passDown, type Weights } from './passes.ts';

/** Edges of a part of the source in pixels, fractions too, as Pillow's `box`. */
export interface SourceBox {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Whole pixels of the resized picture. */
export interface Window extends Size {
  readonly left: number;
  readonly top: number;
}

export interface Resampling {
  /** What the whole resized picture would have. */
  readonly resized: Size;
  /** What of the source it shows. */
  readonly box: SourceBox;
  /** What of it is wanted; only that is computed. */
  readonly window: Window;
  readonly filter: PillowFilter;
}

/** Three interleaved channels of 8 bits, row by row from the top. */
export interface Pixels extends Size {
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** 8 bits of the result, and two against overflow, are left of 32. */
const PRECISION_BITS = 32 - 8 - 2;

interface Filter {
  /** Beyond this distance it is zero. */
  readonly support: number;
  weight(distance: number): number;
}

const A = -0.5;
const filters: Readonly<Record<PillowFilter, Filter>> = {
  'pillow-bilinear': { support: 1, weight: (x) => (Math.abs(x) < 1 ? 1 - Math.abs(x) : 0) },
  'pillow-bicubic': {
    support: 2,
    weight(distance) {
      const x = Math.abs(distance);
      if (x < 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
    },
  },
};

/**
 * The window of the resized picture, of the rows and columns of the source that it needs. Between the passes it holds one picture, as wide as
 * the window and as high as the rows it needs, or the other way round.
 */
export function resample(source: Pixels, { resized, box, window, filter }: Resampling): Pixels {
  const across = weigh(source.width, box.left, box.right, resized.width, window.left, window.width, filter);
  const down = weigh(source.height, box.top, box.bottom, resized.height, window.top, window.height, filter);
  const needed = partOf(source, across, down);
  const lostRows = source.height - resized.height;
  const downFirst = lostRows > 0 && lostRows > (source.width - resized.width) * 2;
  const { data } = downFirst
    ? passAcross(passDown(needed, down), across)
    : passDown(passAcross(needed, across), down);
  return { data, width: window.width, height: window.height };
}

/** `precompute_coeffs` and `normalize_coeffs_8bpc`, for `count` pixels from `first` on. Where nothing is scaled they leave every pixel as it is. */
function weigh(
  length: number,
  start: number,
  end: number,
  resized: number,
  first: number,
  count: number,
  name: PillowFilter,
): Weights {
  const filter = filters[name];
  // Pillow has the box in floats of 32 bits.
  const begin = Math.fround(start);
  const scale = Math.fround(Math.fround(end) - begin) / resized;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const inverse = 1 / filterScale;
  const starts = new Int32Array(count);
  const counts = new Int32Array(count);
  const values = new Int32Array(count * taps);
  const exact = new Float64Array(taps);
  for (let i = 0; i < count; i++) {
    const centre = begin + (first + i + 0.5) * scale;
    const least = Math.max(0, Math.trunc(centre - support + 0.5));
    const used = Math.min(length, Math.trunc(centre + support + 0.5)) - least;
    let sum = 0;
    for (let tap = 0; tap < used; tap++) {
      const weight = filter.weight((tap + least - centre + 0.5) * inverse);
      exact[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < used; tap++) {
      const weight = (exact[tap] ?? 0) / (sum === 0 ? 1 : sum);
      values[i * taps + tap] = Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION_BITS));
    }
    starts[i] = least;
    counts[i] = used;
  }
  const from = starts.reduce((low, each) => Math.min(low, each), length);
  const to = starts.reduce((high, each, i) => Math.max(high, each + (counts[i] ?? 0)), 0);
  return { from, to, starts: starts.map((each) => each - from), counts, values, taps };
}

function partOf({ data, width }: Pixels, across: Weights, down: Weights): Part {
  const stride = width * CHANNELS;
  return {
    data,
    offset: down.from * stride + across.from * CHANNELS,
    stride,
    width: across.to - across.from,
    height: down.to - down.from,
  };
}
