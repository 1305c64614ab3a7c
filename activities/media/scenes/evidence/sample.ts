import type { SmallPicture } from '../picture.ts';
import type { Inside } from './borders.ts';

/** Side of a cell of a sketch, in pixels of a sample. */
const cell = 4;

/** Three planes of half the size of a small picture, alike in size: enough to tell shots apart, and without grain and most of a lens' tremble. */
export interface Planes extends Colours {
  /** Seconds. */
  readonly at: number;
  readonly width: number;
  readonly height: number;
}

/** Planes of one size, one after the other in one piece of memory. */
interface Colours {
  readonly all: Uint8Array;
  readonly y: Uint8Array;
  readonly u: Uint8Array;
  readonly v: Uint8Array;
}

/** What a detector keeps of a picture: its planes without their borders, and figures taken from them once. */
export interface Sample extends Planes {
  /** Means of Y, U and V over cells of 4 × 4, plane after plane: what a slow change is measured on. */
  readonly sketch: Float32Array;
  /** Mean of luma, 0–255. */
  readonly brightness: number;
  /** Standard deviation of luma: near 0 in a picture of one colour. */
  readonly contrast: number;
  /** Mean square of the steps between neighbouring pixels of luma: falls to about half in the middle of a dissolve. */
  readonly detail: number;
  /** How far it is from the sample before, see `difference`; 0 for the first. */
  readonly change: number;
}

/** Copies what is needed of a picture. */
export function takePlanes(at: number, picture: SmallPicture): Planes {
  const width = picture.width >> 1;
  const height = picture.height >> 1;
  const size = width * height;
  const colours = coloursOf(new Uint8Array(3 * size));
  halve(picture.y, picture.width, colours.y, width);
  colours.u.set(size === picture.u.length ? picture.u : picture.u.subarray(0, size));
  colours.v.set(size === picture.v.length ? picture.v : picture.v.subarray(0, size));
  return { at, width, height, ...colours };
}

function coloursOf(all: Uint8Array): Colours {
  const size = all.length / 3;
  return { all, y: all.subarray(0, size), u: all.subarray(size, 2 * size), v: all.subarray(2 * size) };
}

/** What is `inside` of a picture as a sample. `before` is the sample that precedes it, of the same size. */
export function takeSample(whole: Planes, inside: Inside, before: Sample | undefined): Sample {
  const { at, width, height, all, y, u, v } = cut(whole, inside);
  const { brightness, contrast, detail } = measure(y, width, height);
  const sketch = sketchOf(all, width, height);
  const change = before ? difference(before.all, all) : 0;
  return { at, width, height, all, y, u, v, sketch, brightness, contrast, detail, change };
}

function cut(whole: Planes, { x, y, width, height }: Inside): Planes {
  if (width === whole.width && height === whole.height) return whole;
  const all = new Uint8Array(3 * width * height);
  for (let plane = 0, to = 0; plane < 3; plane++)
    for (let row = 0; row < height; row++, to += width) {
      const from = ((plane * whole.height + y + row) * whole.width + x) | 0;
      for (let i = 0; i < width; i++) all[to + i] = whole.all[from + i]!;
    }
  return { at: whole.at, width, height, ...coloursOf(all) };
}

/**
 * How different two pictures look pixel by pixel: the mean absolute differences of Y, U and V, added.
 * The idea of PySceneDetect's content value, in the colours that a decoder delivers.
 */
function difference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / (a.length / 3);
}

/** Cells that a sample's sketch is wide. */
export const columnsOf = ({ width }: Pick<Planes, 'width'>): number => Math.floor(width / cell);

/** The same of two sketches; blind to what moves by less than a cell. */
export function sketchDifference(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return (sum * 3) / a.length;
}

function halve(plane: Uint8Array, stride: number, half: Uint8Array, width: number): void {
  for (let to = 0, from = 0; to < half.length; from += 2 * stride - 2 * width)
    for (const end = to + width; to < end; from += 2, to++)
      half[to] =
        (plane[from]! + plane[from + 1]! + plane[from + stride]! + plane[from + stride + 1]! + 2) >> 2;
}

function measure(y: Uint8Array, width: number, height: number) {
  let sum = 0;
  let squares = 0;
  let steps = 0;
  for (let row = 0; row < height; row++) {
    const last = row === height - 1 ? 0 : width;
    let i = row * width;
    for (const end = i + width - 1; i < end; i++) {
      const value = y[i]!;
      sum += value;
      squares += value * value;
      const right = y[i + 1]! - value;
      const below = y[i + last]! - value;
      steps += right * right + below * below;
    }
  }
  const counted = (width - 1) * height;
  const brightness = sum / counted;
  const variance = Math.max(0, squares / counted - brightness * brightness);
  return { brightness, contrast: Math.sqrt(variance), detail: steps / counted };
}

function sketchOf(all: Uint8Array, width: number, height: number): Float32Array {
  const columns = Math.floor(width / cell);
  const rows = Math.floor(height / cell);
  const sketch = new Float32Array(3 * columns * rows);
  let to = 0;
  for (let plane = 0; plane < 3; plane++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        let i = (plane * height + row * cell) * width + column * cell;
        let sum = 0;
        for (let dy = 0; dy < cell; dy++, i += width)
          sum += all[i]! + all[i + 1]! + all[i + 2]! + all[i + 3]!;
        sketch[to++] = sum / (cell * cell);
      }
  return sketch;
}
