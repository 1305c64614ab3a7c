import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { FloatPlane, Raster } from '../raster.ts';
import { inSinglePrecision, scene, sha256OfPixels } from '../testing/scene.ts';
import { resolveLevels } from './levels.ts';
import { luptonRgb } from './lupton.ts';
import { greyLevelMinimum, stiffPicture } from './stiff.ts';
import { stretchedPicture } from './stretches.ts';
import { zscale } from './zscale.ts';

const precision = z.enum(['float32', 'float64']);
const numbers = z.array(z.number());
const triple = z.tuple([z.number(), z.number(), z.number()]);
const pair = z.tuple([z.number(), z.number()]);
const { inputs, values } = z
  .object({
    inputs: z.record(
      z.string(),
      z.object({
        scene: z.object({
          width: z.number(),
          height: z.number(),
          seed: z.number(),
          peak: z.number(),
          sky: z.number(),
          noise: z.number(),
        }),
        float32: z.string(),
        float64: z.string(),
      }),
    ),
    values: z.object({
      lupton: z.array(
        z.object({ precision, minimum: triple, stretch: z.number(), q: z.number(), rgb: z.string() }),
      ),
      stretches: z.array(
        z.object({
          algorithm: z.enum(['asinh', 'zscale']),
          precision,
          a: z.number().optional(),
          quantiles: pair.optional(),
          levels: z.array(pair),
          rgb: z.string(),
        }),
      ),
      zscale: z.array(
        z.object({
          scene: z.string(),
          precision,
          settings: z.object({
            contrast: z.number().optional(),
            n_samples: z.number().optional(),
            krej: z.number().optional(),
          }),
          levels: pair,
        }),
      ),
      stiff: z.array(
        z.object({
          scenes: z.array(z.string()),
          minimum: numbers,
          minimumType: z.literal('greylevel').optional(),
          sky: numbers.optional(),
          maximum: numbers,
          gamma: z.number().default(2.2),
          gammaFactor: z.number().default(1),
          saturation: z.number().default(1),
          bits: z.literal([8, 16]).default(8),
          rgb: z.string(),
        }),
      ),
    }),
  })
  .parse(
    JSON.parse(readFileSync(new URL('../../../../test/oracle/sky/colour.json', import.meta.url), 'utf8')),
  );

function plane(name: string, kind: z.infer<typeof precision>): FloatPlane {
  const made = scene(inputs[name]!.scene);
  return kind === 'float32' ? inSinglePrecision(made) : made;
}

const colours = (kind: z.infer<typeof precision>) =>
  [plane('red', kind), plane('green', kind), plane('blue', kind)] as const;

/** How many counts differ from what was recorded, and the worst difference. */
function compared(raster: Raster, recorded: string): { differing: number; worst: number } {
  const bytes = new Uint8Array(inflateSync(Buffer.from(recorded, 'base64')));
  const expected = raster.data instanceof Uint8Array ? bytes : new Uint16Array(bytes.buffer);
  expect(raster.data.length).toBe(expected.length);
  let differing = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(raster.data[i]! - expected[i]!);
    if (off > 0) differing++;
    worst = Math.max(worst, off);
  }
  return { differing, worst };
}

const equal = { differing: 0, worst: 0 };

describe('pictures as astropy and STIFF make them', () => {
  it('of the very pixels they were recorded of', () => {
    for (const [name, { float32, float64 }] of Object.entries(inputs)) {
      expect(sha256OfPixels(plane(name, 'float32')), name).toBe(float32);
      expect(sha256OfPixels(plane(name, 'float64')), name).toBe(float64);
    }
  });

  it.each(values.lupton.map((value, n) => [n, value] as const))(
    'Lupton, case %i: every count equal',
    (_, c) => {
      const { raster } = luptonRgb(colours(c.precision), {
        variant: 'astropy',
        minimum: c.minimum,
        stretch: c.stretch,
        q: c.q,
        depth: 8,
      });
      expect(compared(raster, c.rgb)).toEqual(equal);
    },
  );

  it.each(values.stretches.map((value, n) => [n, value] as const))(
    'bands each for itself, case %i: every count equal between the recorded levels',
    (_, c) => {
      const planes = colours(c.precision);
      const { raster } = stretchedPicture(planes, {
        minimum: c.levels.map(([low]) => low),
        maximum: c.levels.map(([, high]) => high),
        softening: c.a,
        depth: 8,
      });
      expect(compared(raster, c.rgb)).toEqual(equal);
      planes.forEach((band, n) => {
        if (c.algorithm === 'zscale') expectLevels(zscale(band), c.levels[n]!, 1e-9);
        else if (c.quantiles)
          expectLevels(
            resolveLevels(
              band,
              c.quantiles.map((quantile) => ({ type: 'quantile', quantile })),
            ),
            c.levels[n]!,
            // numpy takes percentiles of single precision in single precision.
            c.precision === 'float32' ? 1e-5 : 1e-12,
          );
      });
    },
  );

  it.each(values.zscale.map((value, n) => [n, value.scene, value] as const))(
    'zscale, case %i of %s',
    (_, name, c) => {
      const of = plane(name, c.precision);
      if (name === 'tall') {
        for (let y = 10; y < 14; y++) of.data.fill(Number.NaN, y * of.width + 5, y * of.width + 30);
        of.data[0] = Number.POSITIVE_INFINITY;
      }
      const { contrast, n_samples: samples, krej: rejection } = c.settings;
      expectLevels(zscale(of, { contrast, samples, rejection }), c.levels, 1e-9);
    },
  );

  it.each(values.stiff.map((value, n) => [n, value] as const))(
    'STIFF with manual sky and levels, case %i: at most one count off',
    (_, c) => {
      const minimum = c.minimum.map((level, n) =>
        c.minimumType === 'greylevel'
          ? greyLevelMinimum(level, c.sky![n]!, c.maximum[n]!, c.gammaFactor)
          : level,
      );
      const { raster } = stiffPicture(
        c.scenes.map((name) => plane(name, 'float32')),
        { ...c, minimum, depth: c.bits },
      );
      const { differing, worst } = compared(raster, c.rgb);
      expect(worst).toBeLessThanOrEqual(1);
      expect(differing / raster.data.length).toBeLessThan(0.001);
    },
  );
});

function expectLevels(levels: readonly number[], recorded: readonly number[], relative: number) {
  const range = Math.max(Math.abs(recorded[0]!), Math.abs(recorded[1]!));
  expect(levels.length).toBe(2);
  expect(Math.abs(levels[0]! - recorded[0]!)).toBeLessThanOrEqual(relative * range);
  expect(Math.abs(levels[1]! - recorded[1]!)).toBeLessThanOrEqual(relative * range);
}
