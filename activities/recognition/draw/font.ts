/**
 * Reads glyph outlines from the bundled TrueType font, so that labels look the same on every host: no fontconfig, no system
 * fonts, no hinting. Tables: https://learn.microsoft.com/typography/opentype/spec/
 */
import { readFileSync } from 'node:fs';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A closed contour, flattened to straight lines; y points up. */
export type Contour = readonly Point[];

export interface Glyph {
  /** In units of the em. */
  readonly advance: number;
  readonly contours: readonly Contour[];
}

export interface Font {
  /** Heights above and below the baseline, in units of the em, both positive. */
  readonly ascent: number;
  readonly descent: number;
  /** The glyph of a character; the font's "missing" box for what it lacks. */
  glyph(codePoint: number): Glyph;
}

/** Lines that one quadratic curve becomes; enough for letters of 100 pixels. */
const CURVE_STEPS = 6;

/** Parses a TrueType font with `glyf` outlines and a format 4 `cmap`. Throws when a table is missing. */
export function parseFont(file: Buffer): Font {
  const tables = new Map<string, number>();
  for (let i = 0; i < file.readUInt16BE(4); i++)
    tables.set(file.toString('latin1', 12 + i * 16, 16 + i * 16), file.readUInt32BE(20 + i * 16));
  const table = (name: string): number => {
    const offset = tables.get(name);
    if (offset === undefined) throw new Error(`the font has no table ${name}`);
    return offset;
  };
  const [head, hhea, hmtx, loca, glyf] = ['head', 'hhea', 'hmtx', 'loca', 'glyf'].map(table) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const em = file.readUInt16BE(head + 18);
  const longLoca = file.readInt16BE(head + 50) === 1;
  const metrics = file.readUInt16BE(hhea + 34);
  const glyphIndex = characterMap(file, table('cmap'));
  const offsetOf = (index: number): number =>
    longLoca ? file.readUInt32BE(loca + index * 4) : file.readUInt16BE(loca + index * 2) * 2;

  const outline = (index: number): Contour[] => {
    if (offsetOf(index) === offsetOf(index + 1)) return [];
    const at = glyf + offsetOf(index);
    const contours = file.readInt16BE(at);
    return contours >= 0 ? simpleGlyph(file, at, contours) : compoundGlyph(file, at, outline);
  };

  const cache = new Map<number, Glyph>();
  return {
    ascent: file.readInt16BE(hhea + 4) / em,
    descent: -file.readInt16BE(hhea + 6) / em,
    glyph(codePoint) {
      const index = glyphIndex(codePoint);
      let glyph = cache.get(index);
      if (glyph === undefined) {
        glyph = {
          advance: file.readUInt16BE(hmtx + Math.min(index, metrics - 1) * 4) / em,
          contours: outline(index).map((contour) => contour.map(({ x, y }) => ({ x: x / em, y: y / em }))),
        };
        cache.set(index, glyph);
      }
      return glyph;
    },
  };
}

let bundled: Font | undefined;

/** DejaVu Sans Bold, which has Latin, Greek, Cyrillic and more (licence: fonts/LICENSE.txt). */
export function labelFont(): Font {
  bundled ??= parseFont(readFileSync(new URL('fonts/DejaVuSans-Bold.ttf', import.meta.url)));
  return bundled;
}

/** Character code → glyph index, 0 when there is none. */
function characterMap(file: Buffer, cmap: number): (codePoint: number) => number {
  const subtables = Array.from(
    { length: file.readUInt16BE(cmap + 2) },
    (_, i) => cmap + file.readUInt32BE(cmap + 8 + i * 8),
  );
  const at = subtables.find((offset) => file.readUInt16BE(offset) === 4);
  if (at === undefined) throw new Error('the font has no format 4 character map');
  const segments = file.readUInt16BE(at + 6) / 2;
  const ends = at + 14;
  const starts = ends + segments * 2 + 2;
  const deltas = starts + segments * 2;
  const ranges = deltas + segments * 2;
  return (codePoint) => {
    if (codePoint > 0xffff) return 0;
    for (let s = 0; s < segments; s++) {
      if (file.readUInt16BE(ends + s * 2) < codePoint) continue;
      const start = file.readUInt16BE(starts + s * 2);
      if (start > codePoint) return 0;
      const delta = file.readUInt16BE(deltas + s * 2);
      const range = file.readUInt16BE(ranges + s * 2);
      if (range === 0) return (codePoint + delta) & 0xffff;
      const index = file.readUInt16BE(ranges + s * 2 + range + (codePoint - start) * 2);
      return index === 0 ? 0 : (index + delta) & 0xffff;
    }
    return 0;
  };
}

interface CurvePoint extends Point {
  readonly onCurve: boolean;
}

function simpleGlyph(file: Buffer, at: number, contourCount: number): Contour[] {
  const ends = Array.from({ length: contourCount }, (_, i) => file.readUInt16BE(at + 10 + i * 2));
  const count = (ends.at(-1) ?? -1) + 1;
  let cursor = at + 10 + contourCount * 2;
  cursor += 2 + file.readUInt16BE(cursor);
  const flags: number[] = [];
  while (flags.length < count) {
    const flag = file.readUInt8(cursor++);
    flags.push(flag);
    if (flag & 8) for (let repeat = file.readUInt8(cursor++); repeat > 0; repeat--) flags.push(flag);
  }
  const coordinates = (short: number, same: number): number[] => {
    let value = 0;
    return flags.map((flag) => {
      if (flag & short) value += flag & same ? file.readUInt8(cursor++) : -file.readUInt8(cursor++);
      else if (!(flag & same)) {
        value += file.readInt16BE(cursor);
        cursor += 2;
      }
      return value;
    });
  };
  const xs = coordinates(2, 16);
  const ys = coordinates(4, 32);
  const points = flags.map((flag, i) => ({ x: xs[i] ?? 0, y: ys[i] ?? 0, onCurve: (flag & 1) === 1 }));
  return ends.map((end, i) => flatten(points.slice((ends[i - 1] ?? -1) + 1, end + 1)));
}

/** Quadratic splines → lines. Between two control points lies an implied point on the curve. */
function flatten(points: readonly CurvePoint[]): Contour {
  const full: CurvePoint[] = [];
  points.forEach((point, i) => {
    const previous = points.at(i - 1) ?? point;
    if (!point.onCurve && !previous.onCurve)
      full.push({ x: (point.x + previous.x) / 2, y: (point.y + previous.y) / 2, onCurve: true });
    full.push(point);
  });
  const first = full.findIndex(({ onCurve }) => onCurve);
  const ordered = [...full.slice(first), ...full.slice(0, first)];
  const lines: Point[] = [];
  ordered.forEach((point, i) => {
    if (point.onCurve) {
      lines.push(point);
      return;
    }
    const from = ordered.at(i - 1) ?? point;
    const to = ordered[(i + 1) % ordered.length] ?? point;
    for (let step = 1; step < CURVE_STEPS; step++) {
      const t = step / CURVE_STEPS;
      const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
      lines.push({ x: a * from.x + b * point.x + c * to.x, y: a * from.y + b * point.y + c * to.y });
    }
  });
  return lines;
}

/** A glyph put together from others, as accented letters are. */
function compoundGlyph(file: Buffer, at: number, outline: (index: number) => Contour[]): Contour[] {
  const contours: Contour[] = [];
  let cursor = at + 10;
  let flags: number;
  do {
    flags = file.readUInt16BE(cursor);
    const part = outline(file.readUInt16BE(cursor + 2));
    cursor += 4;
    const words = flags & 1;
    const dx = words ? file.readInt16BE(cursor) : file.readInt8(cursor);
    const dy = words ? file.readInt16BE(cursor + 2) : file.readInt8(cursor + 1);
    cursor += words ? 4 : 2;
    const f2dot14 = (): number => {
      cursor += 2;
      return file.readInt16BE(cursor - 2) / 16_384;
    };
    let [xx, xy, yx, yy] = [1, 0, 0, 1];
    if (flags & 0x08) xx = yy = f2dot14();
    else if (flags & 0x40) [xx, yy] = [f2dot14(), f2dot14()];
    else if (flags & 0x80) [xx, xy, yx, yy] = [f2dot14(), f2dot14(), f2dot14(), f2dot14()];
    const place = ({ x, y }: Point): Point => ({ x: x * xx + y * yx + dx, y: x * xy + y * yy + dy });
    contours.push(...part.map((contour) => contour.map(place)));
  } while (flags & 0x20);
  return contours;
}
