import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { emptyRaster, type Raster } from '../raster.ts';
import { withoutGlyph } from './glyphs.ts';
import { drawCompass, drawCrosshair, drawLabel, drawScaleBar, scaleBarOf } from './marks.ts';
import { drawStrokes } from './strokes.ts';

const grey = (width: number, height: number): Raster => {
  const raster = emptyRaster(width, height, 1, 8);
  raster.data.fill(120);
  return raster;
};
/** Of the white pixels: how many, and the box about them. */
function white({ width, height, data }: Raster) {
  const at: [number, number][] = [];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) if (data[y * width + x]! > 200) at.push([x, y]);
  const xs = at.map(([x]) => x);
  const ys = at.map(([, y]) => y);
  return {
    count: at.length,
    left: Math.min(...xs),
    right: Math.max(...xs),
    top: Math.min(...ys),
    bottom: Math.max(...ys),
  };
}
/** A line of one or two pixels may be shared by two of them. */
const has = (raster: Raster, x: number, y: number) => raster.data[y * raster.width + x]! > 150;

describe('marks over pictures', () => {
  it('have a scale bar of a round angle, three tenths of the width at most', () => {
    const arcsec = 1 / 3600;
    for (const [width, perPixel, text, pixels] of [
      [228, 0.263, '10″', 38.02],
      [228, 0.1, '5″', 50],
      [1000, 0.263, '1′', 228.1],
      [100, 0.01, '0.2″', 20],
      [2000, 10, '1°', 360],
      [48, 0.263, '2″', 7.6],
    ] as const) {
      const bar = scaleBarOf(width, perPixel * arcsec)!;
      expect(bar.text).toBe(text);
      expect(bar.pixels).toBeCloseTo(pixels, 1);
      expect(bar.pixels).toBeLessThanOrEqual(0.3 * width);
    }
    expect(scaleBarOf(100, Number.NaN)).toBeUndefined();
    expect(scaleBarOf(100, 0)).toBeUndefined();
    expect(scaleBarOf(100, -1)).toBeUndefined();
    expect(scaleBarOf(10, arcsec)).toMatchObject({ text: '2″' });
    expect(scaleBarOf(1, arcsec)).toMatchObject({ text: '0.2″' });
  });

  it('draw the bar as long as it says, at the lower left', () => {
    const raster = grey(228, 228);
    const bar = drawScaleBar(raster, 0.2 / 3600)!;
    expect(bar).toEqual({ arcsec: 10, text: '10″', pixels: 50 });
    const box = white(raster);
    expect(Math.abs(box.right - box.left - bar.pixels)).toBeLessThanOrEqual(2);
    expect(box.left).toBeLessThan(20);
    expect(box.bottom).toBeGreaterThan(205);
    expect(box.top).toBeGreaterThan(150);
  });

  it('leave the middle of the crosshair open', () => {
    const raster = grey(200, 160);
    drawCrosshair(raster, 120, 50);
    expect(white(raster)).toMatchObject({ left: 107, right: 133, top: 37, bottom: 63 });
    for (let y = 48; y <= 52; y++)
      for (let x = 118; x <= 122; x++) expect(raster.data[y * 200 + x]).toBe(120);
    expect(has(raster, 110, 50) && has(raster, 130, 50) && has(raster, 120, 40) && has(raster, 120, 60)).toBe(
      true,
    );
    // Outside of the picture, it is cut off.
    expect(() => drawCrosshair(raster, -5, 500)).not.toThrow();
  });

  it('point the compass where north and east are', () => {
    // The long arm goes up from the corner where the arrows meet: at its right when east is left.
    const rows = (east: 'left' | 'right') => {
      const raster = grey(240, 240);
      expect(drawCompass(raster, { north: 0, east })).toBe(true);
      const { left, right, top, bottom } = white(raster);
      const middle = Math.round((top + bottom) / 2);
      const lit = Array.from({ length: right - left + 1 }, (_, i) => left + i).filter((x) =>
        has(raster, x, middle),
      );
      return (lit.reduce((sum, x) => sum + x, 0) / lit.length - left) / (right - left);
    };
    expect(rows('left')).toBeGreaterThan(0.7);
    expect(rows('right')).toBeLessThan(0.3);
  });

  it('break long labels into lines, and draw nothing into pictures that have no room', () => {
    const text = 'DES DR2 DES0102-4914 g, r, i: a long name for a picture of this width';
    const raster = grey(300, 300);
    expect(drawLabel(raster, text)).toBe(true);
    const { left, right, top, bottom } = white(raster);
    expect(left).toBeGreaterThan(3);
    expect(right).toBeLessThan(297);
    expect(top).toBeGreaterThan(3);
    expect(bottom).toBeGreaterThan(40);
    expect(bottom).toBeLessThan(100);
    for (const [width, height, label] of [
      [300, 100, text],
      [200, 200, 'x'.repeat(80)],
      [48, 40, 'M 1'],
    ] as const) {
      const full = grey(width, height);
      expect(drawLabel(full, label)).toBe(false);
      expect(new Set(full.data)).toEqual(new Set([120]));
    }
    const small = grey(40, 300);
    const untouched = small.data.slice();
    expect(drawScaleBar(small, 0.2 / 3600)).toBeUndefined();
    expect(drawCompass(small, { north: 0, east: 'left' })).toBe(false);
    expect(drawLabel(small, '  ')).toBe(false);
    expect(small.data).toEqual(untouched);
  });

  it('show a box for what has no letter', () => {
    const shown = (text: string) => {
      const raster = grey(200, 100);
      drawLabel(raster, text);
      return Buffer.from(raster.data).toString('base64');
    };
    expect(shown('a\u202eb')).not.toBe(shown('a b'));
    expect(shown('a\u202eb')).toBe(shown('a\u{1f52d}b'));
    expect(withoutGlyph('a \u00e9\u202e')).toBe('\u00e9');
    expect(withoutGlyph('M 31: 1° 2′ 3″ [r] {x} `~|"')).toBeUndefined();
  });

  it('make what they cover opaque, in any channels and depth, and leave the rest', () => {
    for (const channels of [1, 2, 3, 4] as const)
      for (const depth of [8, 16] as const) {
        const raster = emptyRaster(20, 20, channels, depth);
        drawStrokes(raster, [[5, 5, 12, 5]], 3);
        const full = depth === 8 ? 255 : 65_535;
        const pixel = (x: number, y: number) => [
          ...raster.data.subarray((y * 20 + x) * channels, (y * 20 + x + 1) * channels),
        ];
        expect(pixel(8, 5)).toEqual(Array(channels).fill(full));
        expect(pixel(8, 12)).toEqual(Array(channels).fill(0));
        // The seam: dark, and half opaque over nothing.
        if (channels === 4) expect(pixel(8, 7)).toEqual([0, 0, 0, Math.round(0.55 * full)]);
      }
  });

  it('are the same on every machine', () => {
    const raster = grey(300, 220);
    drawScaleBar(raster, 0.263 / 3600);
    drawCrosshair(raster, 150, 110);
    drawCompass(raster, { north: 12.5, east: 'left' });
    drawLabel(raster, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 0123456789 .,:-+/()=_');
    expect(createHash('sha256').update(raster.data).digest('hex')).toBe(
      '8627435b51a5960f9aae2dc7d6628fbf3d297c842c3999ca9c2fdf3569f445f0',
    );
  });
});
