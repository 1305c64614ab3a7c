import { describe, expect, it } from 'vitest';
import type { SkyError } from '../errors.ts';
import { luptonRgb } from './algorithms/lupton.ts';
import { drawPicture } from './draw.ts';
import type { Look, PictureBand } from './look.ts';
import { inSinglePrecision, scene } from './testing/scene.ts';

const size = { width: 24, height: 18, sky: 0.1, noise: 0.3 };
const band = (name: string, seed: number): PictureBand => ({
  name,
  plane: inSinglePrecision(scene({ ...size, seed, peak: 40 })),
});
const bands = () => [band('i', 1), band('r', 2), band('g', 3)];
const looks: readonly Look[] = [
  { algorithm: 'lupton', stretch: 0.5 },
  { algorithm: 'lupton-paper', stretch: 3 },
  { algorithm: 'stiff' },
  { algorithm: 'zscale' },
  { algorithm: 'asinh' },
];

describe('drawing pictures', () => {
  it.each(looks)('gives red, green and blue of three bands, grey of one: $algorithm', (look) => {
    const three = drawPicture(bands(), look);
    expect(three.raster.channels).toBe(3);
    expect(three.levels.bands.map(({ band }) => band)).toEqual(['i', 'r', 'g']);
    expect(Math.max(...three.raster.data)).toBeGreaterThan(200);
    const one = drawPicture([bands()[1]!], look);
    expect(one.raster.channels).toBe(1);
    expect(one.raster.data.length).toBe(size.width * size.height);
    expect(one.levels).toMatchObject({ algorithm: look.algorithm, noData: 0 });
    expect(JSON.parse(JSON.stringify(one.levels))).toEqual(one.levels);
    // What is grey in all bands is grey in the picture.
    const grey = drawPicture([bands()[0]!, bands()[0]!, bands()[0]!], look).raster.data;
    for (let i = 0; i < grey.length; i += 3)
      expect([grey[i], grey[i + 1]]).toEqual([grey[i + 2], grey[i + 2]]);
  });

  it.each(looks)('can be drawn again by hand from the levels that it tells: $algorithm', (look) => {
    const { raster, levels } = drawPicture(bands(), look);
    const minimum = levels.bands.map(({ minimum }) => ({ type: 'manual', value: minimum }) as const);
    const maximum = levels.bands.map(({ maximum }) => ({ type: 'manual', value: maximum ?? 0 }) as const);
    const again: Look =
      look.algorithm === 'zscale'
        ? { algorithm: 'zscale' }
        : ({
            algorithm: look.algorithm,
            minimum,
            ...(levels.bands[0]!.maximum !== undefined && { maximum }),
            ...levels.settings,
          } as Look);
    expect(drawPicture(bands(), again)).toEqual({ raster, levels });
  });

  it('makes green of two bands by their mean, of what is there', () => {
    const [red, , blue] = bands() as [PictureBand, PictureBand, PictureBand];
    red.plane.data[0] = Number.NaN;
    blue.plane.data[1] = Number.NaN;
    const look: Look = {
      algorithm: 'asinh',
      minimum: [
        { type: 'manual', value: 0 },
        { type: 'manual', value: 0.2 },
      ],
      maximum: [
        { type: 'manual', value: 10 },
        { type: 'manual', value: 30 },
      ],
    };
    const { raster, levels } = drawPicture([red, blue], look);
    expect(levels.bands).toMatchObject([
      { band: 'i', minimum: 0, maximum: 10 },
      { band: 'mean', minimum: 0.1, maximum: 20 },
      { band: 'g', minimum: 0.2, maximum: 30 },
    ]);
    const mean = red.plane.data.map((value, i) => {
      if (i === 0) return blue.plane.data[0]!;
      return i === 1 ? red.plane.data[1]! : (value + blue.plane.data[i]!) / 2;
    });
    const alone = drawPicture([{ name: 'mean', plane: { ...red.plane, data: mean } }], {
      algorithm: 'asinh',
      minimum: { type: 'manual', value: 0.1 },
      maximum: { type: 'manual', value: 20 },
    });
    expect(raster.data.filter((_, i) => i % 3 === 1)).toEqual(alone.raster.data);
  });

  it.each(looks)(
    'is transparent where no band has a value, and takes a missing one for black: $algorithm',
    (look) => {
      const given = bands();
      const nowhere = [7, 40];
      for (const { plane } of given) for (const at of nowhere) plane.data[at] = Number.NaN;
      given[2]!.plane.data[100] = Number.NEGATIVE_INFINITY;
      const { raster, levels } = drawPicture(given, look);
      expect(raster.channels).toBe(4);
      expect(levels.noData).toBe(2);
      for (let i = 0; i < size.width * size.height; i++) {
        const pixel = [...raster.data.subarray(i * 4, i * 4 + 4)];
        if (nowhere.includes(i)) expect(pixel).toEqual([0, 0, 0, 0]);
        else expect(pixel[3]).toBe(255);
      }
      const known = bands();
      for (const { plane } of known) for (const at of nowhere) plane.data[at] = Number.NaN;
      known[2]!.plane.data[100] = levels.bands[2]!.minimum;
      const manual: Look =
        look.algorithm === 'zscale'
          ? look
          : ({
              ...look,
              minimum: levels.bands.map(({ minimum }) => ({ type: 'manual', value: minimum })),
              ...(levels.bands[0]!.maximum !== undefined && {
                maximum: levels.bands.map(({ maximum }) => ({ type: 'manual', value: maximum })),
              }),
            } as Look);
      if (look.algorithm !== 'zscale') expect(drawPicture(known, manual).raster).toEqual(raster);
      const grey = drawPicture([given[0]!], look).raster;
      expect(grey.channels).toBe(2);
      expect([...grey.data.subarray(14, 16)]).toEqual([0, 0]);
    },
  );

  it.each(looks)('has of an infinite pixel what it has of one without a value: $algorithm', (look) => {
    const drawn = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => {
      const three = bands();
      // Missing in all bands, and in one.
      for (const { plane } of three) plane.data[100] = value;
      three[1]!.plane.data[200] = value;
      return drawPicture(three, look);
    });
    expect(drawn[0]!.levels.noData).toBe(1);
    expect(drawn[0]!.raster.data[4 * 100 + 3]).toBe(0);
    for (const { raster, levels } of drawn.slice(1)) {
      expect(levels).toEqual(drawn[0]!.levels);
      expect(raster).toEqual(drawn[0]!.raster);
    }
  });

  it('counts what lies beyond the levels', () => {
    const plane = { width: 4, height: 1, data: Float32Array.of(-1, 0.5, 1, 7) };
    const { levels } = drawPicture([{ name: 'r', plane }], {
      algorithm: 'asinh',
      minimum: { type: 'manual', value: 0 },
      maximum: { type: 'manual', value: 1 },
    });
    expect(levels.bands).toEqual([{ band: 'r', minimum: 0, maximum: 1, below: 1, above: 1 }]);
    const stiff = drawPicture([{ name: 'r', plane }], {
      algorithm: 'stiff',
      minimum: { type: 'manual', value: 0 },
      maximum: { type: 'manual', value: 1 },
    });
    expect(stiff.levels.bands).toMatchObject([{ below: 1, above: 1 }]);
    const dark = { ...plane, data: new Float32Array(4) };
    const lupton = drawPicture(
      [
        { name: 'i', plane },
        { name: 'r', plane: dark },
        { name: 'g', plane: dark },
      ],
      { algorithm: 'lupton', stretch: 0.5 },
    );
    expect(lupton.levels.bands).toMatchObject([
      { below: 1, above: 1 },
      { below: 0, above: 0 },
      { below: 0, above: 0 },
    ]);
  });

  it.each(looks)(
    'draws a sky of one value as one colour, and one without any value as nothing: $algorithm',
    (look) => {
      const flat = { width: 9, height: 5, data: new Float32Array(45).fill(3.25) };
      const { raster } = drawPicture([{ name: 'r', plane: flat }], look);
      expect(new Set(raster.data).size).toBe(1);
      const empty = { ...flat, data: new Float32Array(45).fill(Number.NaN) };
      const nothing = drawPicture([{ name: 'r', plane: empty }], look);
      expect(nothing.levels.noData).toBe(45);
      expect(new Set(nothing.raster.data)).toEqual(new Set([0]));
      expect(JSON.stringify(nothing.levels)).not.toContain('null');
    },
  );

  it('draws in 16 bits what it draws in 8', () => {
    for (const look of looks) {
      const coarse = drawPicture(bands(), look).raster.data;
      const fine = drawPicture(bands(), look, 16).raster;
      expect(fine.data).toBeInstanceOf(Uint16Array);
      for (let i = 0; i < coarse.length; i++)
        expect(Math.abs(fine.data[i]! / 257 - coarse[i]!)).toBeLessThanOrEqual(1.01);
    }
  });

  it('keeps the hue of what is brighter than white, in both variants of Lupton', () => {
    const of = (value: number) => ({ width: 1, height: 1, data: Float32Array.of(value) });
    for (const variant of ['astropy', 'paper'] as const) {
      const options = { variant, minimum: [0, 0, 0], stretch: 0.5, q: 8, depth: 16 } as const;
      const { raster } = luptonRgb([of(8000), of(4000), of(1000)], options);
      expect([...raster.data]).toEqual([65535, 32767, 8191]);
    }
    // As printed: asinh(Q I / stretch) / Q.
    const { raster } = luptonRgb([of(0.3), of(0.3), of(0.3)], {
      variant: 'paper',
      minimum: [0.1, 0.1, 0.1],
      stretch: 0.5,
      q: 8,
      depth: 16,
    });
    expect(raster.data[0]! / 65535).toBeCloseTo(Math.asinh((8 * 0.2) / 0.5) / 8, 4);
  });

  it.each<[string, PictureBand[], Look]>([
    ['no band', [], { algorithm: 'zscale' }],
    ['four', [...bands(), band('z', 4)], { algorithm: 'zscale' }],
    [
      'sizes',
      [band('i', 1), { name: 'r', plane: { width: 2, height: 1, data: new Float32Array(2) } }],
      { algorithm: 'zscale' },
    ],
    ['stretch 0', bands(), { algorithm: 'lupton', stretch: 0 }],
    ['stretch NaN', bands(), { algorithm: 'lupton', stretch: Number.NaN }],
    ['Q below 0', bands(), { algorithm: 'lupton', q: -1 }],
    ['gamma 0', bands(), { algorithm: 'stiff', gamma: 0 }],
    ['grey 1', bands(), { algorithm: 'stiff', minimum: { type: 'greylevel', grey: 1 } }],
    [
      'white below black',
      bands(),
      { algorithm: 'asinh', minimum: { type: 'manual', value: 2 }, maximum: { type: 'manual', value: 1 } },
    ],
    ['quantile 2', bands(), { algorithm: 'asinh', minimum: { type: 'quantile', quantile: 2 } }],
    ['level NaN', bands(), { algorithm: 'lupton', minimum: { type: 'manual', value: Number.NaN } }],
    [
      'two levels of three',
      bands(),
      {
        algorithm: 'lupton',
        minimum: [
          { type: 'manual', value: 1 },
          { type: 'manual', value: 1 },
        ],
      },
    ],
  ])('refuses what cannot be drawn: %s', (_, given, look) => {
    const refused = expect.objectContaining({ code: 'invalid_cutout' } satisfies Partial<SkyError>);
    expect(() => drawPicture(given, look)).toThrow(refused);
  });
});
