/** What is known of a cutout before it is made: the request, the tiles it is made of, and what of the survey their pixels want. */
import { cutoutRequest } from '@darkroom/contract';
import { z } from 'zod';

/** What cuts: changed whenever the same call comes to other bytes. */
export const cutterVersion = 'darkroom-sky 2';

/** One plane of one band of a tile, as the survey's index has it. */
export const cutoutSource = z.object({
  tile: z.string(),
  band: z.string(),
  plane: z.enum(['image', 'weight', 'mask']),
  uri: z.string(),
  etag: z.string(),
  /** Of the file. */
  bytes: z.int(),
  /** Index of the HDU with the pixels, from 0. */
  hdu: z.int(),
  /** Whether the survey has checksums of the file. */
  verified: z.boolean(),
});
export type CutoutSource = z.infer<typeof cutoutSource>;

export const cutoutCall = z.object({
  request: cutoutRequest,
  survey: z.object({
    name: z.string(),
    release: z.string(),
    /** By band: zero point (magnitudes) and unit, where the survey has them. */
    bands: z.array(
      z.object({ name: z.string(), zeroPoint: z.number().nullable(), unit: z.string().nullable() }),
    ),
    /** What the bits of its masks say; null where it has none. */
    mask: z
      .object({ bad: z.array(z.object({ bit: z.int(), name: z.string() })), noData: z.int() })
      .nullable(),
  }),
  /** The tile of the centre first, then by how deep the centre lies in them. */
  sources: z.array(cutoutSource).min(1),
});
export type CutoutCall = z.infer<typeof cutoutCall>;
