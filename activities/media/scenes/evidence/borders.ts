/** Borders of one colour that stand still: pillarbox, letterbox, baked bars. What lies in them is no part of the picture. */
import { thresholds } from '../thresholds.ts';
import type { Planes } from './sample.ts';

const { tolerance, pure, lettered, most, drift } = thresholds.borders;

/** Of one side. */
interface Border {
  /** Pixels of a sample; 0 where there is none. */
  readonly width: number;
  readonly colour: readonly [y: number, u: number, v: number];
}

/** Left, right, top, bottom. */
export type Borders = readonly [Border, Border, Border, Border];

/** A picture without its borders, pixels of a sample. */
export interface Inside {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels that are left of a picture each way, at least: two blocks. */
const least = 16;

/**
 * The borders of a picture; lettering and logos belong to them as far as a pure row or column follows further in. Undefined where the
 * picture is of one colour nearly all over, which says nothing.
 */
export function bordersOf(picture: Planes): Borders | undefined {
  const { width, height } = picture;
  const borders: Borders = [
    side(picture, { from: 0, next: 1, lines: width, along: width, pixels: height }),
    side(picture, { from: width - 1, next: -1, lines: width, along: width, pixels: height }),
    side(picture, { from: 0, next: width, lines: height, along: 1, pixels: width }),
    side(picture, { from: (height - 1) * width, next: -width, lines: height, along: 1, pixels: width }),
  ];
  const plain = borders.every((border, n) => border.width > most * (n < 2 ? width : height));
  return plain ? undefined : borders;
}

/** What is within the borders that all of some pictures have in common. */
export function insideOf(all: readonly (Borders | undefined)[], { width, height }: Planes): Inside {
  const [left, right, top, bottom] = [0, 1, 2, 3].map((n) => {
    let shared: Border | undefined;
    for (const borders of all) {
      const own = borders?.[n];
      if (own === undefined) continue;
      shared = shared === undefined || own.width < shared.width ? own : shared;
      if (shared.width === 0) return 0;
    }
    if (shared === undefined) return 0;
    const { colour } = shared;
    const alike = (own: Border | undefined) =>
      own === undefined || own.colour.every((value, plane) => Math.abs(value - colour[plane]!) <= drift);
    if (!all.every((borders) => alike(borders?.[n]))) return 0;
    // The next line is a mixture of border and picture; an even number cuts all planes alike.
    const length = n < 2 ? width : height;
    return Math.min(Math.floor(most * length), shared.width + 1 + ((shared.width + 1) % 2));
  }) as [number, number, number, number];
  const inside = { x: left, y: top, width: width - left - right, height: height - top - bottom };
  if (inside.width < least) Object.assign(inside, { x: 0, width });
  if (inside.height < least) Object.assign(inside, { y: 0, height });
  return inside;
}

/** Lines of a side, from the edge inwards, as places in a plane. */
interface Lines {
  readonly from: number;
  readonly next: number;
  readonly lines: number;
  /** From pixel to pixel of a line. */
  readonly along: number;
  readonly pixels: number;
}

function side({ y, u, v }: Planes, { from, next, lines, along, pixels }: Lines): Border {
  // The middle of three pixels is the colour: lettering may lie on one of them.
  const three = [0, pixels >> 1, pixels - 1].map((n) => from + n * along).sort((a, b) => y[a]! - y[b]!);
  const [low, middle, high] = three as [number, number, number];
  const colour = [y[middle]!, u[middle]!, v[middle]!] as const;
  if (y[high]! - y[low]! > 2 * tolerance) return { width: 0, colour };
  let width = 0;
  for (let line = 0; line < lines; line++) {
    let inside = 0;
    for (let n = 0, i = from + line * next; n < pixels; n++, i += along)
      if (
        Math.abs(y[i]! - colour[0]) <= tolerance &&
        Math.abs(u[i]! - colour[1]) <= tolerance &&
        Math.abs(v[i]! - colour[2]) <= tolerance
      )
        inside++;
    if (inside >= pure * pixels) width = line + 1;
    else if (inside < lettered * pixels || line === 0) break;
    if (width > most * lines) break;
  }
  return { width, colour };
}
