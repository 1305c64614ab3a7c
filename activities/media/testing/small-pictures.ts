/** Small pictures of invented worlds under a camera, for tests of the scene detector: the same everywhere, and quickly made. */
import type { SmallPicture } from '../scenes/picture.ts';
import { random } from './film/pictures.ts';

const width = 128;
const height = 72;
/** Side of a world in pixels of the picture at zoom 1; it repeats beyond. */
const side = 256;

export interface World {
  readonly y: Float32Array;
  readonly u: Float32Array;
  readonly v: Float32Array;
}

export interface Look {
  /** Of the picture's corner in the world, pixels. */
  readonly x?: number;
  readonly y?: number;
  /** Pixels of the world a pixel of the picture covers. */
  readonly zoom?: number;
  /** Of the light: 0 is black. */
  readonly light?: number;
}

/** A landscape of noise in several sizes, and colours of its own. */
export function world(seed: number): World {
  const next = random(seed);
  const plane = (middle: number, octaves: readonly (readonly [cells: number, strength: number])[]) => {
    const sum = new Float32Array(side * side).fill(middle);
    for (const [cells, strength] of octaves) {
      const grid = Float32Array.from({ length: cells * cells }, () => (next() * 2 - 1) * strength);
      const step = side / cells;
      for (let row = 0; row < side; row++)
        for (let column = 0; column < side; column++) {
          const gy = row / step;
          const gx = column / step;
          const [y0, x0] = [Math.floor(gy), Math.floor(gx)];
          const [y1, x1] = [(y0 + 1) % cells, (x0 + 1) % cells];
          const [fy, fx] = [gy - y0, gx - x0];
          const top = grid[y0 * cells + x0]! * (1 - fx) + grid[y0 * cells + x1]! * fx;
          const low = grid[y1 * cells + x0]! * (1 - fx) + grid[y1 * cells + x1]! * fx;
          sum[row * side + column]! += top * (1 - fy) + low * fy;
        }
    }
    return sum;
  };
  return {
    y: plane(80 + 90 * next(), [
      [4, 60],
      [16, 40],
      [64, 20],
    ]),
    u: plane(100 + 56 * next(), [[4, 20]]),
    v: plane(100 + 56 * next(), [[4, 20]]),
  };
}

/** What the camera sees. */
export function see(place: World, { x = 0, y = 0, zoom = 1, light = 1 }: Look = {}): SmallPicture {
  const picture = blank(16, 128);
  draw(picture.y, width, place.y, x, y, zoom, (value) => 16 + (value - 16) * light);
  draw(picture.u, width / 2, place.u, x, y, zoom * 2, (value) => 128 + (value - 128) * light);
  draw(picture.v, width / 2, place.v, x, y, zoom * 2, (value) => 128 + (value - 128) * light);
  return picture;
}

/** A picture of one colour. */
export function blank(luma: number, chroma = 128): SmallPicture {
  const fill = (length: number, value: number) => new Uint8Array(length).fill(value);
  const quarter = (width * height) / 4;
  return { width, height, y: fill(4 * quarter, luma), u: fill(quarter, chroma), v: fill(quarter, chroma) };
}

/** a for share 0, b for 1. */
export function mixed(a: SmallPicture, b: SmallPicture, share: number): SmallPicture {
  const plane = (from: Uint8Array, to: Uint8Array) =>
    from.map((value, i) => value + (to[i]! - value) * share);
  return { width, height, y: plane(a.y, b.y), u: plane(a.u, b.u), v: plane(a.v, b.v) };
}

/** With noise of a sensor, ± strength. */
export function grainy(picture: SmallPicture, strength: number, seed: number): SmallPicture {
  const next = random(seed);
  const y = picture.y.map((value) =>
    Math.max(0, Math.min(255, Math.round(value + (next() * 2 - 1) * strength))),
  );
  return { ...picture, y };
}

function draw(
  target: Uint8Array,
  stride: number,
  texture: Float32Array,
  left: number,
  top: number,
  zoom: number,
  tone: (value: number) => number,
): void {
  const at = (column: number, row: number) => texture[(row & (side - 1)) * side + (column & (side - 1))]!;
  for (let i = 0; i < target.length; i++) {
    const x = left + (i % stride) * zoom;
    const y = top + Math.floor(i / stride) * zoom;
    const x0 = Math.floor(x);
    const y0 = Math.floor(y);
    const fx = x - x0;
    const fy = y - y0;
    let value = at(x0, y0);
    if (fx !== 0 || fy !== 0) {
      const upper = value * (1 - fx) + at(x0 + 1, y0) * fx;
      const lower = at(x0, y0 + 1) * (1 - fx) + at(x0 + 1, y0 + 1) * fx;
      value = upper * (1 - fy) + lower * fy;
    }
    target[i] = Math.max(0, Math.min(255, Math.round(tone(value))));
  }
}
