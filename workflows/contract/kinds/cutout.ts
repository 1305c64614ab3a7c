/** A cutout of a sky survey as the answer to one request: what may be asked for, and what the worker is told. */
import { z } from 'zod';
import { problemRecord } from '../problems/problem.ts';

/** Channel on which Postgres tells that a cutout was made, or failed; the payload is its unit. */
export const cutoutsChannel = 'darkroom_cutouts';

/** Activity of the queue `sky-realtime` that makes one cutout. */
export const cutoutActivity = 'makeCutout';

/** Attempts at a cutout, deaths of a worker included. */
export const cutoutAttempts = 3;

export const cutoutFormat = z.enum(['fits', 'png', 'jpeg', 'webp']);
export type CutoutFormat = z.infer<typeof cutoutFormat>;

/** What becomes of a cutout that reaches over the edge of a tile. */
export const cutoutMode = z.enum(['primary', 'clip', 'mosaic']).meta({
  description:
    'Over the edges of a tile: `primary` has what the tile of the centre has, the rest without data; `clip` is as large as what that tile has; `mosaic` takes the neighbours too.',
});
export type CutoutMode = z.infer<typeof cutoutMode>;

export const pictureAlgorithm = z.enum(['lupton', 'stiff', 'zscale', 'asinh']);
export type PictureAlgorithm = z.infer<typeof pictureAlgorithm>;

export const planeKind = z.enum(['image', 'weight', 'mask']);
export type PlaneKind = z.infer<typeof planeKind>;

/** How neighbours on another grid are brought onto that of the tile of the centre. */
export const resampling = z.enum(['flux', 'lanczos3']);

const levels = z.array(z.number()).min(1).max(3);

/** Settings of the algorithms; each has some of them, and those it has not are refused. */
const settings = {
  stretch: z.number().positive().optional().meta({ description: 'Lupton: of the arcsinh.', example: 5 }),
  q: z.number().nonnegative().optional().meta({ description: 'Lupton: softening, Q.', example: 8 }),
  minimum: levels.optional().meta({
    description:
      'Least level: of all bands, or of each, by repeating it. Lupton’s is what counts as black; without it, 0.',
  }),
  maximum: levels.optional().meta({ description: 'STIFF, asinh: greatest level, of all bands or of each.' }),
  quantiles: z.array(z.number().min(0).max(1)).length(2).optional().meta({
    description: 'STIFF, asinh: quantiles of the pixels at which levels are taken that are not given.',
  }),
  gamma: z
    .number()
    .min(0.1)
    .max(10)
    .optional()
    .meta({ description: 'STIFF: gamma of the luminance.', example: 2.2 }),
  saturation: z
    .number()
    .min(0)
    .max(10)
    .optional()
    .meta({ description: 'STIFF: of the colours.', example: 1 }),
};

/** As the answer tells them. */
export const pictureSettings = z.strictObject(settings);
export type PictureSettings = z.infer<typeof pictureSettings>;

/** Without control characters, of which Postgres takes one in no text. */
const text = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are meant.
    .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'has control characters');

/** What a request for a cutout may say; what it leaves open, the survey has defaults for. */
export const cutoutQuery = z.strictObject({
  survey: text(64).meta({
    description: 'Name of the survey; GET /v1/surveys has all.',
    example: 'sample-coadd',
  }),
  ra: text(40).meta({
    description: 'Right ascension, ICRS: degrees, or hours as `01:02:03.4` or `1h2m3.4s`.',
    example: '150.1',
  }),
  dec: text(40).meta({ description: 'Declination, ICRS: degrees, or `-01:02:03`.', example: '2.2' }),
  size: text(60).optional().meta({
    description:
      '`1arcmin`, `60arcsec`, `0.02deg`, `256px`, or width by height as `2arcminx1arcmin`. A number alone is refused.',
    example: '1arcmin',
  }),
  pixscale: text(40).optional().meta({
    description:
      'An angle a pixel, as `0.5arcsec`: the cutout is resampled onto a TAN grid of such pixels about the position, which `px` of `size` then count. Without it and `rotation`, the grid is that of the tile.',
    example: '0.5arcsec',
  }),
  rotation: z.number().min(-360).max(360).optional().meta({
    description:
      'Degrees from north towards east to which the columns of that grid point; 0: north is up and east is left. Without `pixscale`, its pixels are as large as the tile’s.',
    example: 30,
  }),
  format: cutoutFormat.default('fits'),
  bands: text(200).optional().meta({
    description: 'With commas between. A picture has three as red, green and blue, or one.',
    example: 'i,r,g',
  }),
  planes: text(60)
    .optional()
    .meta({ description: 'FITS: of `image`, `weight`, `mask`, with commas between; the image alone.' }),
  mode: cutoutMode.default('mosaic'),
  resampling: resampling.optional().meta({
    description:
      'How neighbours on another grid are brought onto that of the tile of the centre (mode=mosaic), and all onto that of `pixscale` and `rotation`: `flux` conserves it exactly, `lanczos3` (without it) keeps stars sharp. Neighbours on the same grid are copied as they are.',
  }),
  compress: z.enum(['none', 'rice']).default('none').meta({ description: 'FITS: tile compression, RICE_1.' }),
  algorithm: pictureAlgorithm.optional().meta({
    description: 'Pictures: `lupton` and `stiff` of one or three bands, `zscale` and `asinh` of one.',
  }),
  ...settings,
  maxPixels: z.int().min(1).max(100_000).optional().meta({
    description: 'Pictures: pixels of the longer side at most; a larger one is scaled down by area averages.',
    example: 512,
  }),
  depth: z.literal([8, 16]).optional().meta({ description: 'PNG: bits of a colour; 8.' }),
  orientation: z.enum(['north', 'pixels']).optional().meta({
    description:
      'Pictures: `north`: north up and east left, as near as turns and flips come; `pixels`: as they lie in the file. `north`, or `pixels` with `pixscale` or `rotation`.',
  }),
  scaleBar: z.boolean().default(false).meta({ description: 'Pictures: a bar with its length.' }),
  crosshair: z.boolean().default(false).meta({ description: 'Pictures: around the centre.' }),
  compass: z.boolean().default(false).meta({ description: 'Pictures: arrows to north (of ICRS) and east.' }),
  label: text(80).optional().meta({
    description: 'Pictures: a text at the upper left. ASCII, `′`, `″` and `°`; other characters are refused.',
    example: 'NGC 1365: i, r, g',
  }),
});
export type CutoutQuery = z.infer<typeof cutoutQuery>;

const length = z.object({ value: z.number().positive(), unit: z.enum(['deg', 'px']) });

/** A request with all that it leaves open filled in: equal ones come to equal files. */
export const cutoutRequest = z.object({
  survey: z.string(),
  /** Degrees, ICRS. */
  ra: z.number().min(0).lt(360),
  dec: z.number().min(-90).max(90),
  /** In degrees, or pixels of the grid. */
  size: z.object({ width: length, height: length }),
  /** Null: that of the tile. Else a TAN grid about the position. */
  grid: z
    .object({
      /** Degrees; null: as large as the tile's. */
      pixelScale: z.number().positive().nullable(),
      /** Degrees from north to its columns, towards east. */
      rotation: z.number().min(0).lt(360),
    })
    .nullable(),
  format: cutoutFormat,
  bands: z.array(z.string()).min(1),
  planes: z.array(planeKind).min(1),
  mode: cutoutMode,
  resampling,
  /** FITS: tile compression. */
  compress: z.enum(['none', 'rice']),
  picture: z
    .object({
      algorithm: pictureAlgorithm,
      settings: pictureSettings,
      maxPixels: z.int().min(1).nullable(),
      depth: z.literal([8, 16]),
      orientation: z.enum(['north', 'pixels']),
      scaleBar: z.boolean(),
      crosshair: z.boolean(),
      compass: z.boolean(),
      label: z.string().nullable(),
    })
    .nullable(),
});
export type CutoutRequest = z.infer<typeof cutoutRequest>;

/** What the record of a request keeps: those that were refused before they were understood have no more than their words. */
export const cutoutState = z.enum(['running', 'succeeded', 'failed', 'refused', 'left']).meta({
  description:
    'What became of a request: `refused` before any work, `failed` after it had begun; `left` where whoever asked did not wait for the answer.',
});
export type CutoutState = z.infer<typeof cutoutState>;

/** Milliseconds each step took. */
export const cutoutTimings = z
  .object({
    queue: z.number().meta({ description: 'Until a worker had it.' }),
    read: z.number().meta({ description: 'Reading and decoding the tiles.' }),
    compose: z.number().meta({ description: 'Mosaic, colours.' }),
    write: z.number().meta({ description: 'Encoding the file, and putting it into the store.' }),
  })
  .partial()
  .meta({ id: 'CutoutTimings', description: 'Milliseconds each step took.' });
export type CutoutTimings = z.infer<typeof cutoutTimings>;

/** What is told of a cutout beside its bytes, in the headers of the answer. */
export const cutoutFacts = z.object({
  /** Share of its pixels that have data, 0 to 1. */
  coverage: z.number().min(0).max(1),
  /** What was done over edges: of a cutout that lies within one tile, `primary`. */
  mode: cutoutMode,
  /** Names of the tiles it is made of. */
  tiles: z.array(z.string()),
  /** Whether its bytes were checked against checksums of the survey. */
  verified: z.boolean(),
  width: z.int(),
  height: z.int(),
  warnings: z.array(z.string()),
  /** Of a picture: what it takes to make it again by hand. */
  levels: z.record(z.string(), z.json()).nullable(),
});
export type CutoutFacts = z.infer<typeof cutoutFacts>;

export const cutoutRecord = z
  .object({
    id: z.int(),
    state: cutoutState,
    survey: z.string(),
    /** As they were sent. */
    query: z.record(z.string(), z.string()),
    ra: z
      .number()
      .nullable()
      .meta({ description: 'Degrees, ICRS; null where the request could not be read.' }),
    dec: z.number().nullable(),
    shared: z
      .boolean()
      .meta({ description: 'Whether the file was made for an earlier, or another, request.' }),
    bytes: z.int().nullable(),
    seconds: z.number().meta({
      description:
        'From the request to the first byte of its answer; 0 while it runs, and where its process died.',
    }),
    estimatedSeconds: z.number().nullable().meta({ description: 'The median that was expected.' }),
    coverage: z.number().nullable(),
    timings: cutoutTimings,
    problem: problemRecord.nullable(),
    traceId: z.string().nullable(),
    acceptedAt: z.iso.datetime(),
  })
  .meta({ id: 'CutoutRecord' });
export type CutoutRecord = z.infer<typeof cutoutRecord>;
