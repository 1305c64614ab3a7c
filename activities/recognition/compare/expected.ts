/** What a Python pipeline had at each hop, as it wrote it down: the file that `npm run model -- compare` takes. */
import { z } from 'zod';

/** In the order in which a picture goes through them. */
export const hopNames = ['decoded', 'resized', 'tensor', 'output'] as const;
export type HopName = (typeof hopNames)[number];

const hop = z
  .strictObject({
    /** As NumPy has it: [height, width, 3] of pixels. */
    shape: z.array(z.int().positive()).min(1),
    /** Of the array's bytes, row by row: uint8 for pixels, float32 for numbers. */
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'a SHA-256, hexadecimal')
      .optional(),
    /** Every which value of the flattened array is listed. */
    every: z.int().positive().default(1),
    values: z.array(z.number()).optional(),
  })
  .refine(({ sha256, values }) => sha256 !== undefined || values !== undefined, 'needs sha256 or values')
  .refine(
    ({ shape, every, values }) => values === undefined || values.length === Math.ceil(sizeOf(shape) / every),
    'values has not as many as every says of that shape',
  );
export type Hop = z.infer<typeof hop>;

const top1 = z.union([
  z.int().min(0),
  z.strictObject({ class: z.int().min(0), probability: z.number().min(0).max(1).optional() }),
]);

export const expectedHops = z.strictObject({
  /** Path of the picture, from the folder of this file. */
  picture: z.string().min(1),
  decoded: hop.optional(),
  /** Of what the network sees: after resize and crop. */
  resized: hop.optional(),
  tensor: hop.optional(),
  /** What a classifier gives for its classes; the first output of a detector. */
  output: hop.optional(),
  top1: top1.transform((top) => (typeof top === 'number' ? { class: top } : top)).optional(),
});
export type ExpectedHops = z.infer<typeof expectedHops>;

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
