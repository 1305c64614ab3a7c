/** The part of a card that says what training did to a picture before the network saw it: field by field, so that nothing is guessed. */
import { z } from 'zod';

/** Pixels of the model's input. */
export const side = z.int().min(8).max(8192);
export const layouts = ['nchw', 'nhwc'] as const;
export const colours = ['rgb', 'bgr'] as const;
export const dtypes = ['float32', 'float16', 'uint8'] as const;

/** Kernels of libvips, as sharp names them. */
export const vipsFilters = ['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3'] as const;
/** `Image.BILINEAR` and `Image.BICUBIC` of Pillow, to the level: with antialias, in its fixed-point arithmetic. */
export const pillowFilters = ['pillow-bilinear', 'pillow-bicubic'] as const;

const sides = z.union([side, z.strictObject({ width: side, height: side })]);
export const filter = z.enum([...vipsFilters, ...pillowFilters]);
export type VipsFilter = (typeof vipsFilters)[number];
export type PillowFilter = (typeof pillowFilters)[number];
export type Filter = z.infer<typeof filter>;

const resize = z.discriminatedUnion('mode', [
  /** The whole picture fills `size`; its aspect is lost. */
  z.strictObject({ mode: z.literal('squash'), size: sides, filter }),
  /** The shorter side becomes `size`, the longer one follows, rounded down: torchvision's `Resize(size)`. Needs a crop. */
  z.strictObject({ mode: z.literal('shortest-edge'), size: side, filter }),
  /** The middle of the picture that has the aspect of `size` fills it: Pillow's `ImageOps.fit`. */
  z.strictObject({ mode: z.literal('cover'), size: sides, filter }),
  /** The whole picture keeps its aspect within `size`, centred; around it all three channels are `pad`. */
  z.strictObject({
    mode: z.literal('letterbox'),
    size: sides,
    filter,
    pad: z.int().min(0).max(255),
    position: z.enum(['center', 'top-left']).default('center'),
  }),
]);

const crop = z.strictObject({
  mode: z.literal('center'),
  size: sides,
  /** Of half a pixel of an odd margin: `half-even` as torchvision and timm have it, `down` as Hugging Face has it. */
  rounding: z.enum(['half-even', 'down']).default('half-even'),
});

const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const positive = z.number().positive();

const placing = { resize, crop: crop.optional() };
const placed = z.object(placing);

export const preprocess = z
  .strictObject({
    /** What is transparent lies on white, or is shown in the colours that lie under it (Pillow's `convert('RGB')`). */
    alpha: z.enum(['white', 'drop']).default('white'),
    ...placing,
    /** value = (pixel · scale − mean) / std, pixel 0–255, in the order of `colour`. */
    colour: z.enum(colours),
    scale: positive,
    mean: perChannel,
    std: z.tuple([positive, positive, positive]),
    layout: z.enum(layouts),
    dtype: z.enum(dtypes),
  })
  // Told together with what is wrong elsewhere.
  .superRefine(requirePlaceable, { when: ({ value }) => placed.safeParse(value).success });
export type Preprocess = z.infer<typeof preprocess>;

/** Width and height, where one number stands for both. */
export function sizeOf(size: z.infer<typeof sides>): { readonly width: number; readonly height: number } {
  return typeof size === 'number' ? { width: size, height: size } : size;
}

/** Pixels of the input that comes of it. */
export function inputSizeOf({ resize, crop }: Preprocess): {
  readonly width: number;
  readonly height: number;
} {
  return sizeOf(crop?.size ?? resize.size);
}

function requirePlaceable({ resize, crop }: z.infer<typeof placed>, issues: z.RefinementCtx): void {
  const complain = (path: string[], message: string) => issues.addIssue({ code: 'custom', path, message });
  if (crop === undefined) {
    if (resize.mode === 'shortest-edge')
      complain(['crop'], 'shortest-edge leaves the longer side open: give a crop');
    return;
  }
  if (resize.mode === 'letterbox') complain(['crop'], 'a letterbox shows the whole picture: leave out crop');
  const [cut, whole] = [sizeOf(crop.size), sizeOf(resize.size)];
  if (cut.width > whole.width || cut.height > whole.height)
    complain(['crop', 'size'], `at most what it is cut from, ${whole.width} × ${whole.height}`);
}
