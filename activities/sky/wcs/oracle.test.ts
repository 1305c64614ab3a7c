import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fileSource } from '../bytes/file.ts';
import { openFits } from '../fits/read/open.ts';
import { samplesFolder } from '../fits/testing.ts';
import { parseWcs } from './parse.ts';
import { apart, headerOfText, type Recorded, recorded, recordedText } from './testing.ts';
import type { Wcs } from './wcs.ts';

/** Pixels. What is asked for; what is seen is 1e-9, and 3e-9 of the smallest pixels (0.05″), where a double at 360° has no more digits. */
const ALLOWED = 1e-6;

/** Pixels that a WCS is off at worst: the place of a pixel, the pixel of a place. */
function worst(wcs: Wcs, { points, scale }: Recorded): [sky: number, pixel: number] {
  let [sky, pixel] = [0, 0];
  for (const [x, y, lon, lat] of points) {
    const [l, b] = wcs.toSky(x, y);
    if (lon === null || lat === null) {
      if (!Number.isNaN(l) || !Number.isNaN(b)) return [Number.POSITIVE_INFINITY, 0];
      continue;
    }
    const [px, py] = wcs.toPixel(lon, lat);
    sky = Math.max(sky, apart(l, b, lon, lat) / scale);
    pixel = Math.max(pixel, Math.hypot(px - x, py - y));
    // Math.max of NaN is NaN, and stays so.
  }
  return [sky, pixel];
}

describe('places of pixels and pixels of places as astropy and wcslib have them', () => {
  it.each(recorded.map((record) => [record.name, record] as const))('%s', (name, record) => {
    const text = recordedText(name);
    expect(createHash('sha256').update(text, 'latin1').digest('hex'), 'the header the values are of').toBe(
      record.sha256,
    );
    const wcs = parseWcs(headerOfText(text));
    const [sky, pixel] = worst(wcs, record);
    if (process.env.SKY_WCS_WORST) console.log(name, sky.toExponential(1), pixel.toExponential(1));
    expect(sky).toBeLessThan(ALLOWED);
    expect(pixel).toBeLessThan(ALLOWED);
    expect(record.points.length).toBeGreaterThan(50);
    // Of TPV it is that of the distortion too, whose linear part is nearly 1.
    expect(Math.abs(wcs.pixelScale / record.scale - 1)).toBeLessThan(0.05);
  });
});

describe('the same from the files of surveys themselves', () => {
  const samples = samplesFolder();
  const files = recorded.flatMap((record) => (record.files ?? []).map((file) => [file, record] as const));
  it.skipIf(samples === undefined).each(files)('%s', async (file, record) => {
    await using source = await fileSource(fileURLToPath(new URL(file, samples)));
    const fits = await openFits(source);
    const [sky, pixel] = worst(parseWcs(fits.hdus[1]!.header), record);
    expect(sky).toBeLessThan(ALLOWED);
    expect(pixel).toBeLessThan(ALLOWED);
  });
});

describe('one CCD in two conventions', () => {
  it('TPV and SIP put its pixels to the same places', () => {
    const [tpv, sip] = ['tpvonly', 'siponly'].map((name) => parseWcs(headerOfText(recordedText(name)))) as [
      Wcs,
      Wcs,
    ];
    for (let x = 0; x <= 2048; x += 256) {
      for (let y = 0; y <= 4096; y += 256) {
        const [px, py] = sip.toPixel(...tpv.toSky(x, y));
        // SIP was fitted to TPV by its makers, to some hundredths of a pixel.
        expect(Math.hypot(px - x, py - y)).toBeLessThan(0.05);
      }
    }
  });

  it('TAN with the PV of SCAMP is TPV', () => {
    const [tpv, scamp] = ['tpv', 'scamp'].map((name) => parseWcs(headerOfText(recordedText(name)))) as [
      Wcs,
      Wcs,
    ];
    expect(scamp.projection).toBe('TPV');
    expect(scamp.toSky(17.25, 311.5)).toEqual(tpv.toSky(17.25, 311.5));
  });
});
