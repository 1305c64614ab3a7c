import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapPixels } from './frames.ts';
import { parseWcs } from './parse.ts';
import { apart, headerOfText, recordedText, tan } from './testing.ts';

const angle = (min: number, max: number) => fc.double({ min, max, noNaN: true });

/** Headers as they come: any place, pole and turn, 0.05″ to 0.1° pixels, mirrored or not. */
const anyHeader = fc.record({
  lon: angle(0, 360),
  lat: fc.oneof(angle(-90, 90), fc.constantFrom(-90, 90, 0, 89.9999)),
  lonPole: fc.option(angle(-180, 180)),
  turn: angle(0, 360),
  scale: fc.oneof(angle(1.4e-5, 1e-3), angle(1e-3, 0.1)),
  mirrored: fc.boolean(),
  skew: angle(-0.3, 0.3),
  declinationFirst: fc.boolean(),
  projection: fc.constantFrom('TAN', 'SIN', 'TAN-SIP', 'TPV'),
  bend: fc.array(angle(-1, 1), { minLength: 20, maxLength: 20 }),
});

type Described = typeof anyHeader extends fc.Arbitrary<infer T> ? T : never;

/** Within 300 pixels of CRPIX a distortion of these moves by some per cent. */
function described({
  lon,
  lat,
  lonPole,
  turn,
  scale,
  mirrored,
  skew,
  declinationFirst,
  projection,
  bend,
}: Described) {
  const swapped = declinationFirst && projection !== 'TPV';
  const [c, s] = [scale * Math.cos(turn), scale * Math.sin(turn)];
  const sign = mirrored ? 1 : -1;
  const rows = [
    [sign * c, s + skew * scale],
    [-sign * s, c],
  ] as const;
  const [first, second] = swapped ? [rows[1], rows[0]] : rows;
  const radius = 300 * scale;
  const terms: Record<string, number> = {};
  if (projection === 'TAN-SIP') {
    Object.assign(terms, { A_ORDER: 3, B_ORDER: 3 });
    ['2_0', '1_1', '0_2', '3_0', '1_2'].forEach((name, i) => {
      const power = i < 3 ? 1 : 2;
      terms[`A_${name}`] = (0.01 * bend[i]!) / 300 ** power;
      terms[`B_${name}`] = (0.01 * bend[i + 5]!) / 300 ** power;
    });
  }
  if (projection === 'TPV') {
    [4, 5, 6, 7, 8, 9, 10, 11, 16].forEach((k, i) => {
      const power = k < 7 ? 1 : k < 12 ? 2 : 3;
      terms[`PV1_${k}`] = (0.01 * bend[i]!) / radius ** power;
      terms[`PV2_${k}`] = (0.01 * bend[i + 10]!) / radius ** power;
    });
    Object.assign(terms, { PV1_0: radius / 100, PV1_1: 1.01, PV2_1: 0.99, PV2_3: 0.005 });
  }
  return tan({
    CTYPE1: `${swapped ? 'DEC-' : 'RA--'}-${projection}`,
    CTYPE2: `${swapped ? 'RA--' : 'DEC-'}-${projection}`,
    CRVAL1: swapped ? lat : lon,
    CRVAL2: swapped ? lon : lat,
    CD1_1: first[0],
    CD1_2: first[1],
    CD2_1: second[0],
    CD2_2: second[1],
    LONPOLE: lonPole ?? undefined,
    ...terms,
  });
}

describe('there and back', () => {
  it('a pixel of any header', () => {
    fc.assert(
      fc.property(anyHeader, angle(0, 600), angle(0, 400), (header, x, y) => {
        const wcs = parseWcs(described(header));
        const [lon, lat] = wcs.toSky(x, y);
        // SIN has no sky beyond 90°.
        if (header.projection === 'SIN' && Number.isNaN(lon)) return;
        expect(lon).toBeGreaterThanOrEqual(0);
        expect(lon).toBeLessThan(360);
        expect(Math.abs(lat)).toBeLessThanOrEqual(90);
        const [px, py] = wcs.toPixel(lon, lat);
        // 1e-13° is what a double at 360° can tell; SIN has less to tell of the places at its rim.
        const rim = header.projection === 'SIN' ? 1e-6 : 0;
        const allowed = Math.max(1e-9, 2e-13 / header.scale, rim);
        expect(Math.hypot(px - x, py - y)).toBeLessThan(allowed);
      }),
      { numRuns: 400 },
    );
  });

  it('many at once are the same as one by one, and without angles', () => {
    fc.assert(
      fc.property(anyHeader, (header) => {
        const wcs = parseWcs(described(header));
        const pixels = Float64Array.of(0, 0, 599, 0, 17.25, 311.5, 299.5, 199.5);
        const sky = new Float64Array(8);
        wcs.toSkyMany(pixels, sky);
        const back = new Float64Array(8);
        wcs.toPixelMany(sky, back);
        const vectors = new Float64Array(12);
        wcs.toVectors(pixels, vectors);
        const again = new Float64Array(8);
        wcs.fromVectors(vectors, again);
        for (let i = 0; i < 8; i += 2) {
          const one = wcs.toSky(pixels[i]!, pixels[i + 1]!);
          expect([sky[i], sky[i + 1]]).toEqual(one);
          expect([back[i], back[i + 1]]).toEqual(wcs.toPixel(...one));
          if (Number.isNaN(one[0]) || header.projection === 'SIN') continue;
          expect(Math.hypot(again[i]! - pixels[i]!, again[i + 1]! - pixels[i + 1]!)).toBeLessThan(
            Math.max(1e-9, 2e-13 / header.scale),
          );
        }
        // In place.
        wcs.toSkyMany(pixels, pixels);
        expect(pixels).toEqual(sky);
      }),
      { numRuns: 50 },
    );
  });

  it('from one image to another of another frame, in place', () => {
    const from = parseWcs(tan());
    const to = parseWcs(headerOfText(recordedText('galactic')));
    const middle = to.toSky(299.5, 199.5);
    const pixels = Float64Array.from({ length: 6000 }, (_, i) => (i % 2 === 0 ? 300 : 200) + i / 100);
    const whole = pixels.slice();
    mapPixels(from, from, whole, whole);
    expect(Math.max(...pixels.map((value, i) => Math.abs(whole[i]! - value)))).toBeLessThan(1e-9);
    // The galactic centre in ICRS (astropy), through its own image.
    const centre = parseWcs(tan({ CRVAL1: 266.40498829, CRVAL2: -28.93617776 }));
    const at = Float64Array.of(299.5, 199.5);
    mapPixels(centre, to, at, at);
    expect(apart(...to.toSky(at[0]!, at[1]!), 0, 0)).toBeLessThan(2e-8);
    expect(apart(...middle, 0.05, -0.1)).toBeLessThan(1e-12);
  });
});

describe('where there is nothing', () => {
  it('TAN has no place beyond 90°, SIN none on the far side', () => {
    const plain = parseWcs(tan({ CRVAL1: 0, CRVAL2: 0 }));
    expect(plain.toPixel(90.0001, 0)).toEqual([Number.NaN, Number.NaN]);
    expect(plain.toPixel(180, 0)).toEqual([Number.NaN, Number.NaN]);
    expect(plain.toPixel(89, 0)[0]).toBeLessThan(-200_000);
    const sin = parseWcs(tan({ CTYPE1: 'RA---SIN', CTYPE2: 'DEC--SIN', CRVAL1: 0, CRVAL2: 0 }));
    expect(sin.toPixel(90.01, 0)).toEqual([Number.NaN, Number.NaN]);
    expect(sin.toSky(299.5 + 286_480, 199.5)).toEqual([Number.NaN, Number.NaN]);
    expect(plain.toSky(Number.NaN, 0)).toEqual([Number.NaN, Number.NaN]);
    expect(plain.toPixel(Number.NaN, 0)).toEqual([Number.NaN, Number.NaN]);
  });

  it('a distortion that folds has no pixel beyond its fold, and none of the wrong side', () => {
    // u + u²/1000: nothing is left of −250, which u = −500 reaches.
    const sip = { CTYPE1: 'RA---TAN-SIP', CTYPE2: 'DEC--TAN-SIP', A_ORDER: 2, A_2_0: 1e-3, B_ORDER: 2 };
    const bent = parseWcs(tan({ ...sip, CRVAL2: 0 }));
    const flat = parseWcs(tan({ CRVAL2: 0 }));
    const [x] = bent.toPixel(...flat.toSky(299.5 - 249, 199.5));
    // Of the two the one nearer to CRPIX: −500 + √(250 000 − 249 000).
    expect(x).toBeCloseTo(299.5 - 500 + Math.sqrt(1000), 6);
    expect(bent.toPixel(...flat.toSky(299.5 - 251, 199.5))).toEqual([Number.NaN, Number.NaN]);
    // From afar the first guess lies beyond the fold; the walk from CRPIX finds the way.
    const [far] = bent.toPixel(...flat.toSky(299.5 + 90_000, 199.5));
    expect(far).toBeCloseTo(299.5 - 500 + Math.sqrt(250_000 + 90_000_000), 4);
  });

  it('AP and BP are a start, not the answer', () => {
    const text = recordedText('siponly');
    const exact = parseWcs(headerOfText(text));
    const rough = parseWcs(headerOfText(text.replaceAll(/^([AB]P_\d_\d *=).*$/gm, '$1 1.0E-6')));
    const place = exact.toSky(100, 200);
    const [x, y] = rough.toPixel(...place);
    expect(Math.hypot(x - 100, y - 200)).toBeLessThan(1e-8);
  });
});
