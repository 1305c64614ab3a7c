/** Draws what was found into a picture. The same raster and detections give the same bytes. */
import sharp from 'sharp';
import type { Box, Detection } from '../model/detection.ts';
import type { Raster } from '../picture/prepare.ts';
import { labelFont } from './font.ts';
import { renderText, textWidth } from './text.ts';

const JPEG_QUALITY = 90;
/** Below this many pixels letters cannot be read, and a label is left out. */
const SMALLEST_TEXT = 7;

type Rgb = readonly [number, number, number];
type Canvas = Raster;

/**
 * The picture as JPEG (quality 90) with a box and a label per detection. **Draws into `raster`**: at full size a copy would be
 * as large as the picture itself. Detections are expected best first; better ones lie on top.
 */
export async function annotate(raster: Raster, detections: readonly Detection[]): Promise<Buffer> {
  draw(raster, detections);
  return sharp(raster.data, {
    raw: { width: raster.width, height: raster.height, channels: 3 },
    limitInputPixels: false,
  })
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
}

/** The colour of a class: neighbouring ids lie far apart on the wheel (golden angle), and never change. */
export function classColour(classId: number): Rgb {
  const hue = (classId * 137.508 + 20) % 360;
  const lightness = [0.58, 0.68, 0.5][classId % 3] ?? 0.58;
  return hsl(hue, 0.85, lightness);
}

/** The drawing alone, into `canvas`. */
export function draw(canvas: Canvas, detections: readonly Detection[]): void {
  // Both grow with the picture, so that a picture shown at the width of a screen is readable whatever its size.
  const reference = Math.sqrt(canvas.width * canvas.height);
  const stroke = Math.max(1, Math.round(reference / 190));
  const size = Math.max(11, Math.round(reference / 38));
  for (const { box, classId } of detections.toReversed()) drawBox(canvas, box, stroke, classColour(classId));
  const taken: Rectangle[] = [];
  const labels = detections.map((detection) => placeLabel(canvas, detection, size, stroke, taken));
  for (const label of labels.toReversed()) if (label !== undefined) drawLabel(canvas, label);
}

interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The outline lies inside the box's edge where it can, with a dark line on both sides to stand out on any ground. */
function drawBox(canvas: Canvas, box: Box, stroke: number, colour: Rgb): void {
  const halo = Math.max(1, Math.round(stroke / 3));
  const left = Math.round(box.x);
  const top = Math.round(box.y);
  const width = Math.max(1, Math.round(box.x + box.width) - left);
  const height = Math.max(1, Math.round(box.y + box.height) - top);
  frame(
    canvas,
    { left: left - halo, top: top - halo, width: width + 2 * halo, height: height + 2 * halo },
    stroke + 2 * halo,
    [0, 0, 0],
    0.55,
  );
  frame(canvas, { left, top, width, height }, stroke, colour, 1);
}

function frame(
  canvas: Canvas,
  { left, top, width, height }: Rectangle,
  stroke: number,
  colour: Rgb,
  alpha: number,
): void {
  const across = Math.min(stroke, Math.ceil(width / 2));
  const down = Math.min(stroke, Math.ceil(height / 2));
  fill(canvas, { left, top, width, height: down }, colour, alpha);
  fill(canvas, { left, top: top + height - down, width, height: down }, colour, alpha);
  fill(canvas, { left, top: top + down, width: across, height: height - 2 * down }, colour, alpha);
  fill(
    canvas,
    { left: left + width - across, top: top + down, width: across, height: height - 2 * down },
    colour,
    alpha,
  );
}

interface Label extends Rectangle {
  readonly text: string;
  readonly size: number;
  readonly padding: number;
  readonly colour: Rgb;
}

/** Finds a free place inside the picture at the box: above, inside, below. Undefined where no readable label fits. */
function placeLabel(
  canvas: Canvas,
  { box, label, score, classId }: Detection,
  wanted: number,
  stroke: number,
  taken: Rectangle[],
): Label | undefined {
  const font = labelFont();
  const text = `${label} ${Math.round(score * 100)}%`;
  const room = canvas.width / (textWidth(font, text, 1) + 0.8);
  const size = Math.min(wanted, Math.floor(room), Math.floor(canvas.height / 2));
  if (size < SMALLEST_TEXT) return undefined;
  const padding = Math.round(size * 0.3);
  const width = Math.min(canvas.width, Math.ceil(textWidth(font, text, size)) + 1 + 2 * padding);
  const height = Math.ceil((font.ascent + font.descent) * size) + 2 * Math.round(padding / 3);
  const left = Math.min(Math.max(Math.round(box.x), 0), canvas.width - width);
  const right = Math.min(Math.max(Math.round(box.x + box.width) - width, 0), canvas.width - width);
  const [top, bottom] = [Math.round(box.y), Math.round(box.y + box.height)];
  const places = [
    [left, top - height],
    [left, top + stroke],
    [right, top - height],
    [right, top + stroke],
    [left, bottom - stroke - height],
    [left, bottom],
  ].map(([x = 0, y = 0]) => ({ left: x, top: y, width, height }));
  const inside = places.filter(({ top: y }) => y >= 0 && y + height <= canvas.height);
  const clear = inside.find((place) => !taken.some((other) => overlap(place, other)));
  const fallback = { left, top: Math.min(Math.max(top, 0), canvas.height - height), width, height };
  const place = clear ?? inside[0] ?? fallback;
  taken.push(place);
  return { ...place, text, size, padding, colour: classColour(classId) };
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return (
    a.left < b.left + b.width &&
    b.left < a.left + a.width &&
    a.top < b.top + b.height &&
    b.top < a.top + a.height
  );
}

function drawLabel(canvas: Canvas, label: Label): void {
  const { left, top, text, size, padding, colour } = label;
  fill(canvas, label, colour, 1);
  const ink: Rgb = luminance(colour) > 0.36 ? [0, 0, 0] : [255, 255, 255];
  const { width, height, data } = renderText(labelFont(), text, size);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const coverage = data[y * width + x] ?? 0;
      if (coverage > 0) blend(canvas, left + padding + x, top + Math.round(padding / 3) + y, ink, coverage);
    }
}

/** Hot: the boxes of a large picture have a million pixels, so a colour is laid over by table, or copied row by row. */
function fill(
  { data, width: across, height: down }: Canvas,
  { left, top, width, height }: Rectangle,
  colour: Rgb,
  alpha: number,
): void {
  const [x0, x1] = [Math.max(0, left), Math.min(across, left + width)];
  const [y0, y1] = [Math.max(0, top), Math.min(down, top + height)];
  if (x1 <= x0 || y1 <= y0) return;
  if (alpha === 1) {
    const row = Buffer.alloc((x1 - x0) * 3, Buffer.from(colour));
    for (let y = y0; y < y1; y++) row.copy(data, (y * across + x0) * 3);
    return;
  }
  const mixed = colour.map((value) =>
    Uint8Array.from({ length: 256 }, (_, below) => Math.round(below + (value - below) * alpha)),
  );
  const [red, green, blue] = mixed as [Uint8Array, Uint8Array, Uint8Array];
  for (let y = y0; y < y1; y++)
    for (let at = (y * across + x0) * 3, end = (y * across + x1) * 3; at < end; at += 3) {
      data[at] = red[data[at] ?? 0] ?? 0;
      data[at + 1] = green[data[at + 1] ?? 0] ?? 0;
      data[at + 2] = blue[data[at + 2] ?? 0] ?? 0;
    }
}

function blend({ data, width, height }: Canvas, x: number, y: number, colour: Rgb, alpha: number): void {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const start = (y * width + x) * 3;
  for (let channel = 0; channel < 3; channel++) {
    const below = data[start + channel] ?? 0;
    data[start + channel] = Math.round(below + ((colour[channel] ?? 0) - below) * alpha);
  }
}

function hsl(hue: number, saturation: number, lightness: number): Rgb {
  const channel = (offset: number): number => {
    const k = (offset + hue / 30) % 12;
    const a = saturation * Math.min(lightness, 1 - lightness);
    return Math.round(255 * (lightness - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

/** Relative luminance, 0–1 (WCAG 2.2). */
function luminance(colour: Rgb): number {
  const [r = 0, g = 0, b = 0] = colour.map((value) => {
    const v = value / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
