/**
 * Text as coverage: how much of each pixel the letters cover. Signed areas of the outline's edges are accumulated and summed
 * along each row, as font-rs does (https://medium.com/@raphlinus/inside-the-fastest-font-renderer-in-the-world-75ae5270c445).
 */
import type { Font, Point } from './font.ts';

export interface Coverage {
  readonly width: number;
  readonly height: number;
  /** 0–1 per pixel, row by row from the top. */
  readonly data: Float32Array;
}

/** Width of a line of text in pixels, at a size (the em) in pixels. */
export function textWidth(font: Font, text: string, size: number): number {
  return (
    [...text].reduce((sum, character) => sum + font.glyph(character.codePointAt(0) ?? 0).advance, 0) * size
  );
}

/** One line of text; its height is the font's ascent + descent. */
export function renderText(font: Font, text: string, size: number): Coverage {
  const width = Math.ceil(textWidth(font, text, size)) + 1;
  const height = Math.ceil((font.ascent + font.descent) * size);
  const baseline = Math.round(font.ascent * size);
  const sums = new Float32Array(width * height + 2);
  let pen = 0;
  for (const character of text) {
    const { advance, contours } = font.glyph(character.codePointAt(0) ?? 0);
    const place = ({ x, y }: Point): Point => ({
      x: Math.min(Math.max(pen + x * size, 0), width - 1),
      y: Math.min(Math.max(baseline - y * size, 0), height),
    });
    for (const contour of contours)
      contour.forEach((point, i) => {
        accumulate(sums, width, place(point), place(contour[(i + 1) % contour.length] ?? point));
      });
    pen += advance * size;
  }
  const data = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    let sum = 0;
    for (let x = 0; x < width; x++) {
      sum += sums[y * width + x] ?? 0;
      data[y * width + x] = Math.min(1, Math.abs(sum));
    }
  }
  return { width, height, data };
}

/** Adds the signed area that lies right of one edge to the pixels the edge passes. */
function accumulate(sums: Float32Array, width: number, a: Point, b: Point): void {
  if (a.y === b.y) return;
  const [sign, top, bottom] = a.y < b.y ? [1, a, b] : [-1, b, a];
  const slope = (bottom.x - top.x) / (bottom.y - top.y);
  const add = (index: number, value: number): void => {
    sums[index] = (sums[index] ?? 0) + value;
  };
  for (let y = Math.floor(top.y); y < bottom.y; y++) {
    const from = Math.max(y, top.y);
    const to = Math.min(y + 1, bottom.y);
    const area = sign * (to - from);
    const x0 = top.x + (from - top.y) * slope;
    const x1 = top.x + (to - top.y) * slope;
    const [left, right] = x0 < x1 ? [x0, x1] : [x1, x0];
    const first = Math.floor(left);
    const last = Math.ceil(right);
    const row = y * width;
    if (last <= first + 1) {
      const middle = (left + right) / 2 - first;
      add(row + first, area * (1 - middle));
      add(row + first + 1, area * middle);
      continue;
    }
    // The edge crosses several pixels of this row: a trapezium in each, triangles at both ends.
    const perPixel = 1 / (right - left);
    const entered = 1 - (left - first);
    const start = 0.5 * perPixel * entered * entered;
    const end = right - last + 1;
    const rest = 0.5 * perPixel * end * end;
    add(row + first, area * start);
    if (last === first + 2) add(row + first + 1, area * (1 - start - rest));
    else {
      const second = perPixel * (entered + 0.5);
      add(row + first + 1, area * (second - start));
      for (let x = first + 2; x < last - 1; x++) add(row + x, area * perPixel);
      const beforeLast = second + (last - first - 3) * perPixel;
      add(row + last - 1, area * (1 - beforeLast - rest));
    }
    add(row + last, area * rest);
  }
}
