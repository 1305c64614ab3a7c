import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Detection } from '../model/detection.ts';
import type { Raster } from '../picture/prepare.ts';
import { annotate, classColour } from './annotate.ts';
import { labelFont } from './font.ts';
import { renderText, textWidth } from './text.ts';

const blank = (width: number, height: number, value = 128): Raster => ({
  data: Buffer.alloc(width * height * 3, value),
  width,
  height,
});
const detection = (
  label: string,
  x: number,
  y: number,
  width: number,
  height: number,
  classId = 17,
): Detection => ({
  label,
  classId,
  score: 0.87,
  box: { x, y, width, height },
});
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('annotate', () => {
  it('draws a JPEG of the same size, the same bytes each time', async () => {
    const boxes = [detection('cat', 30, 40, 120, 90), detection('Straßenbahn Ж é', 150, 5, 160, 200, 3)];
    const [first, second] = await Promise.all([
      annotate(blank(320, 240), boxes),
      annotate(blank(320, 240), boxes),
    ]);
    expect(first.equals(second)).toBe(true);
    expect(await sharp(first).metadata()).toMatchObject({ format: 'jpeg', width: 320, height: 240 });
  });

  it('draws the same where there are no fonts', async () => {
    const boxes = [detection('cat', 30, 40, 120, 90)];
    const script = `
      import { createHash } from 'node:crypto';
      import { annotate } from ${JSON.stringify(new URL('annotate.ts', import.meta.url).href)};
      const raster = { data: Buffer.alloc(320 * 240 * 3, 128), width: 320, height: 240 };
      const jpeg = await annotate(raster, ${JSON.stringify(boxes)});
      console.log(createHash('sha256').update(jpeg).digest('hex'));`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      env: { FONTCONFIG_FILE: '/dev/null', HOME: '/nonexistent' },
      encoding: 'utf8',
    });
    expect(printed.trim()).toBe(sha256(await annotate(blank(320, 240), boxes)));
  });

  it('changes the picture at the box, and a label beside it, and nothing far away', async () => {
    const raster = blank(400, 300);
    await annotate(raster, [detection('cat', 100, 100, 80, 80)]);
    const pixel = (x: number, y: number) => [
      ...raster.data.subarray((y * 400 + x) * 3, (y * 400 + x) * 3 + 3),
    ];
    expect(pixel(100, 140)).toEqual([...classColour(17)]);
    expect(pixel(101, 92)).toEqual([...classColour(17)]);
    expect(pixel(140, 140)).toEqual([128, 128, 128]);
    expect(pixel(300, 250)).toEqual([128, 128, 128]);
  });

  it('takes any box on any picture', async () => {
    const coordinate = fc.double({ min: -50, max: 400, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.tuple(coordinate, coordinate, coordinate, coordinate, fc.string({ unit: 'grapheme' })), {
          maxLength: 5,
        }),
        async (width, height, boxes) => {
          const found = boxes.map(([x, y, w, h, label], n) =>
            detection(label, x, y, Math.abs(w), Math.abs(h), n),
          );
          const jpeg = await annotate(blank(width, height), found);
          expect(await sharp(jpeg).metadata()).toMatchObject({ width, height });
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('text', () => {
  const font = labelFont();

  it('covers as much as the outlines enclose', () => {
    // Letters that do not overlap themselves, so that the shoelace formula gives their area.
    for (const text of ['l', 'H', 'o', '8', 'cat', 'é', 'Ж']) {
      const size = 40;
      let area = 0;
      for (const character of text)
        for (const contour of font.glyph(character.codePointAt(0) ?? 0).contours)
          contour.forEach((a, i) => {
            const b = contour[(i + 1) % contour.length] ?? a;
            area += ((a.x * b.y - b.x * a.y) / 2) * size * size;
          });
      const covered = renderText(font, text, size).data.reduce((sum, value) => sum + value, 0);
      expect(Math.abs(covered - Math.abs(area))).toBeLessThan(Math.abs(area) * 0.01);
    }
  });

  it('is as wide as it says, and lies inside its picture', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.integer({ min: 7, max: 60 }),
        (text, size) => {
          const { width, height, data } = renderText(font, text, size);
          expect(width).toBe(Math.ceil(textWidth(font, text, size)) + 1);
          expect(data.length).toBe(width * height);
          expect(data.every((value) => value >= 0 && value <= 1)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('knows the letters of labels, and shows a box for the rest', () => {
    const missing = font.glyph(0xffff);
    for (const character of 'azAZ09 %éßЖΩ')
      expect(font.glyph(character.codePointAt(0) ?? 0)).not.toBe(missing);
    expect(font.glyph(0x1f600)).toBe(missing);
  });
});

it('neighbouring classes have colours that can be told apart', () => {
  for (let id = 0; id < 90; id++) {
    const [a, b] = [classColour(id), classColour(id + 1)];
    expect(Math.hypot(...a.map((value, i) => value - (b[i] ?? 0)))).toBeGreaterThan(80);
  }
});
