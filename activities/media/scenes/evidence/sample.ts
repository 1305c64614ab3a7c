import type { SmallPicture } from '../picture.ts';
import type { Inside } from './borders.ts';

/** Side of a cell of a sketch, in pixels of a sample. */
const cell = 4;

/** Three planes of half the size of a small picture, alike in size: enough to tell shots apart, and without grain and most of a lens' tremble. */
export interface Planes {
  /** Seconds. */
  readonly at: number;
  readonly width: number;
  readonly height: number;
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
  const y = halve(picture.y, picture.width, width, height);
  return { at, width, height, y, u: picture.u.slice(0, size), v: picture.v.slice(0, size) };
}

/** What is `inside` of a picture as a sample. `before` is the sample that precedes it, of the same size. */
export function takeSample(whole: Planes, inside: Inside, before: Sample | undefined): Sample {
  const { at, y, u, v, width, height } = cut(whole, inside);
  const { brightness, contrast, detail } = measure(y, width, height);
  const sample = { at, width, height, y, u, v, sketch: sketchOf([y, u, v], width, height) };
  const change = before ? difference(before, sample) : 0;
  return { ...sample, brightness, contrast, detail, change };
}

function cut(whole: Planes, { x, y, width, height }: Inside): Planes {
  if (width === whole.width && height === whole.height) return whole;
  const part = (plane: Uint8Array): Uint8Array => {
    const target = new Uint8Array(width * height);
    for (let row = 0; row < height; row++) {
      const from = (y + row) * whole.width + x;
      target.set(plane.subarray(from, from + width), row * width);
    }
    return target;
  };
  return { at: whole.at, width, height, y: part(whole.y), u: part(whole.u), v: part(whole.v) };
}

type Colours = Pick<Planes, 'y' | 'u' | 'v'>;

/**
 * How different two pictures look pixel by pixel: the mean absolute differences of Y, U and V, added.
 * The idea of PySceneDetect's content value, in the colours that a decoder delivers.
 */
export function difference(a: Colours, b: Colours): number {
  let sum = 0;
  for (let i = 0; i < a.y.length; i++)
    sum += Math.abs(a.y[i]! - b.y[i]!) + Math.abs(a.u[i]! - b.u[i]!) + Math.abs(a.v[i]! - b.v[i]!);
  return sum / a.y.length;
}

/** Cells that a sample's sketch is wide. */
export const columnsOf = ({ width }: Pick<Planes, 'width'>): number => Math.floor(width / cell);

/** The same of two sketches; blind to what moves by less than a cell. */
export function sketchDifference(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return (sum * 3) / a.length;
}

function halve(plane: Uint8Array, stride: number, width: number, height: number): Uint8Array {
  const half = new Uint8Array(width * height);
  for (let row = 0, to = 0; row < height; row++) {
    let from = 2 * row * stride;
    for (let column = 0; column < width; column++, from += 2, to++)
      half[to] =
        (plane[from]! + plane[from + 1]! + plane[from + stride]! + plane[from + stride + 1]! + 2) >> 2;
  }
  return half;
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

function sketchOf(planes: readonly Uint8Array[], width: number, height: number): Float32Array {
  const columns = Math.floor(width / cell);
  const rows = Math.floor(height / cell);
  const sketch = new Float32Array(3 * columns * rows);
  let to = 0;
  for (const plane of planes)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let dy = 0; dy < cell; dy++) {
          const from = (row * cell + dy) * width + column * cell;
          sum += plane[from]! + plane[from + 1]! + plane[from + 2]! + plane[from + 3]!;
        }
        sketch[to++] = sum / (cell * cell);
      }
  return sketch;
}
