/** What is drawn over pictures: a scale bar, a crosshair, a compass, a text. All in the pixels of the oriented picture, in place. */
import type { Orientation } from '../orientation.ts';
import type { Raster } from '../raster.ts';
import { textStrokes } from './glyphs.ts';
import { drawStrokes, type Segment } from './strokes.ts';

/** Seconds of arc: lengths that people read without counting. */
const lengths = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30].map((value) => ({ arcsec: value, text: `${value}″` })),
  ...[1, 2, 5, 10, 20, 30].map((value) => ({ arcsec: value * 60, text: `${value}′` })),
  ...[1, 2, 5, 10, 20, 30].map((value) => ({ arcsec: value * 3600, text: `${value}°` })),
];

export interface ScaleBar {
  /** The angle that the bar is long. */
  readonly arcsec: number;
  readonly text: string;
  /** Of the picture. */
  readonly pixels: number;
}

/** The longest of the round lengths that is no more than three tenths of the width; none where even the shortest is longer. */
export function scaleBarOf(width: number, degreesPerPixel: number): ScaleBar | undefined {
  const perPixel = degreesPerPixel * 3600;
  if (!(perPixel > 0 && perPixel < Number.POSITIVE_INFINITY)) return undefined;
  const found = lengths.findLast(({ arcsec }) => arcsec / perPixel <= 0.3 * width);
  return found && { ...found, pixels: found.arcsec / perPixel };
}

/** Shorter sides have no room for marks. */
const leastSide = 48;

/** Of lines and letters, in pixels: larger in larger pictures. */
function measures({ width, height }: Raster) {
  const side = Math.min(width, height);
  const letter = Math.max(9, Math.round(side / 24));
  return { side, letter, line: Math.max(1.2, letter / 7), margin: Math.round(letter * 1.2) };
}

const moved = (segments: readonly Segment[], x: number, y: number): Segment[] =>
  segments.map(([x0, y0, x1, y1]) => [x0 + x, y0 + y, x1 + x, y1 + y]);

/** At the lower left, its length in words above it. Undefined, and nothing drawn, where it has no room. */
export function drawScaleBar(raster: Raster, degreesPerPixel: number): ScaleBar | undefined {
  const { side, letter, line, margin } = measures(raster);
  const bar = scaleBarOf(raster.width, degreesPerPixel);
  if (!bar || side < leastSide || bar.pixels < letter) return undefined;
  const base = raster.height - 1 - margin;
  const tick = letter * 0.35;
  const end = margin + bar.pixels;
  const text = textStrokes(bar.text, 0, base - tick - letter * 1.4, letter);
  const shift = Math.max(margin, margin + (bar.pixels - text.width) / 2);
  const lines: Segment[] = [
    [margin, base, end, base],
    [margin, base - tick, margin, base + tick],
    [end, base - tick, end, base + tick],
    ...moved(text.segments, shift, 0),
  ];
  drawStrokes(raster, lines, line);
  return bar;
}

/** Four arms about a place (0, 0 is the first pixel's centre, rows from the top), which itself stays open. */
export function drawCrosshair(raster: Raster, x: number, y: number): void {
  const { side, line } = measures(raster);
  const open = Math.max(4, side * 0.03);
  const reach = open + Math.max(5, side * 0.05);
  drawStrokes(
    raster,
    [
      [x - reach, y, x - open, y],
      [x + open, y, x + reach, y],
      [x, y - reach, x, y - open],
      [x, y + open, x, y + reach],
    ],
    line,
  );
}

/** Arrows to north and east, at the lower right. False, and nothing drawn, where there is no room. */
export function drawCompass(raster: Raster, orientation: Pick<Orientation, 'north' | 'east'>): boolean {
  const { side, letter, line, margin } = measures(raster);
  if (side < 2 * leastSide) return false;
  const length = letter * 2.2;
  const angle = (orientation.north * Math.PI) / 180;
  const north = [-Math.sin(angle), -Math.cos(angle)] as const;
  const sense = orientation.east === 'left' ? 1 : -1;
  const east = [sense * north[1], -sense * north[0]] as const;
  const segments: Segment[] = [];
  for (const { letter: named, to } of [
    { letter: 'N', to: north },
    { letter: 'E', to: east },
  ]) {
    const [tipX, tipY] = [to[0] * length, to[1] * length];
    const barb = letter * 0.35;
    segments.push([0, 0, tipX, tipY]);
    for (const side of [1, -1])
      segments.push([tipX, tipY, tipX - barb * (to[0] - side * to[1]), tipY - barb * (to[1] + side * to[0])]);
    const size = letter * 0.8;
    const glyph = textStrokes(named, 0, 0, size);
    const away = letter * 0.9;
    const shiftX = tipX + to[0] * away - glyph.width / 2;
    const shiftY = tipY + to[1] * away - size / 2;
    segments.push(...moved(glyph.segments, shiftX, shiftY));
  }
  const x = raster.width - 1 - margin - Math.max(...segments.flatMap(([x0, , x1]) => [x0, x1]));
  const y = raster.height - 1 - margin - Math.max(...segments.flatMap(([, y0, , y1]) => [y0, y1]));
  drawStrokes(raster, moved(segments, x, y), line);
  return true;
}

/** Letters below so many pixels cannot be read. */
const leastLetter = 6;
/** Heights of a letter from one line to the next. */
const lineHeight = 1.7;

/**
 * At the upper left: ASCII, ′, ″ and °, other characters are boxes. What is longer than the picture is wide goes on in the next line, a word that is
 * has smaller letters. False, and nothing drawn, where it would cover more than a third of the height, or could not be read.
 */
export function drawLabel(raster: Raster, text: string): boolean {
  const { side, letter, line, margin } = measures(raster);
  const room = raster.width - 2 * margin;
  const words = text.split(' ').filter((word) => word !== '');
  const longest = Math.max(0, ...words.map((word) => textStrokes(word, 0, 0, letter).width));
  const size = Math.min(letter, (letter * room) / longest);
  if (words.length === 0 || side < leastSide || !(size >= leastLetter)) return false;
  const lines = [''];
  for (const word of words) {
    const longer = `${lines.at(-1)} ${word}`.trimStart();
    if (textStrokes(longer, 0, 0, size).width <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  if (margin + lines.length * size * lineHeight > raster.height / 3 && lines.length > 1) return false;
  const segments = lines.flatMap(
    (one, i) => textStrokes(one, margin, margin + i * size * lineHeight, size).segments,
  );
  drawStrokes(raster, segments, (line * size) / letter);
  return true;
}
