/**
 * From bytes of a photo to what the model and the pen need.
 *
 * The header is read and judged before anything is decoded. The picture is decoded once, at full size, into one raster of
 * 3 bytes a pixel; the model's input is made from that raster, and the boxes are drawn into it. JPEG's shrink-on-load would be
 * faster where nothing is drawn, but then the same photo would score differently with and without annotation.
 */
import { ProblemError } from '@darkroom/contract';
import { releaseMemory } from '@darkroom/platform/memory.ts';
import sharp, { type SharpOptions } from 'sharp';
import type { ModelInput } from '../model/card/card.ts';
import { type Fit, fit } from './fit.ts';
import { type Alpha, decodeScaled, isPlain, measure } from './levels.ts';
import { named, recognised } from './open.ts';
import type { Pixels } from './resize/pillow.ts';
import { resize, wholly } from './resize/resize.ts';
import type { PhotoFormat } from './sniff.ts';

// Each photo is seen once: libvips' operation cache would only hold memory.
sharp.cache(false);

/** JPEG's own limit, and so that of the annotated picture. */
const MAX_SIDE = 65_535;

export interface PhotoLimits {
  /** Of the file. */
  readonly bytes: number;
  /** Width × height of one frame. */
  readonly pixels: number;
  /** Pages of a TIFF, its SubIFDs too, that are looked through for the largest. Of an animation the first frame is read, however many there are. */
  readonly frames: number;
}

export interface PhotoHeader {
  /** After EXIF orientation. */
  readonly width: number;
  readonly height: number;
  readonly format: PhotoFormat;
  readonly frames: number;
  /** EXIF orientation, 1–8; 1 when absent. */
  readonly orientation: number;
}

/** sRGB, 3 bytes a pixel, row by row from the top, EXIF orientation applied. */
export interface Raster {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
}

export interface Tensor {
  readonly data: Float32Array | Uint8Array;
  readonly dims: readonly number[];
}

/**
 * Reads the header and checks it against the limits; decodes nothing. Of a TIFF, the largest picture is meant. Throws `empty_file`,
 * `too_large`, `unsupported_media`, `heic_unsupported`, `video_among_photos`, `truncated_image`, `too_many_pixels`, `too_many_frames`.
 */
export async function probe(bytes: Buffer, limits: PhotoLimits): Promise<PhotoHeader> {
  if (bytes.length > limits.bytes)
    throw new ProblemError('too_large', `The file has ${bytes.length} bytes; the limit is ${limits.bytes}.`);
  const { format, options, pages } = recognised(bytes, limits.frames);
  const header = await named('header', format, () =>
    sharp(bytes, { ...options, limitInputPixels: false }).metadata(),
  );
  const found = header.format === 'heif' ? 'avif' : header.format;
  if (found !== format)
    throw new ProblemError(
      'unsupported_media',
      `The file starts as ${format} but reads as ${header.format}.`,
    );
  const { width, height } = header.autoOrient;
  if (width * height > limits.pixels)
    throw new ProblemError(
      'too_many_pixels',
      `The picture is ${width} × ${height} = ${width * height} pixels; the limit is ${limits.pixels}.`,
    );
  if (Math.max(width, height) > MAX_SIDE)
    throw new ProblemError(
      'too_many_pixels',
      `The picture is ${width} × ${height}; a side can have ${MAX_SIDE} pixels at most.`,
    );
  const frames = pages ?? header.pages ?? 1;
  return { width, height, format, frames, orientation: header.orientation ?? 1 };
}

export interface DecodeOptions {
  /** What becomes of an alpha channel; it lies on white. */
  readonly alpha?: Alpha;
  /** As `probe` told it; looked for where it is not given. libvips holds a picture that may have to be turned once more, a fifth of decoding a JPEG. */
  readonly orientation?: number | undefined;
}

/**
 * Decodes the first frame, or the largest page, at full size. Throws `truncated_image` for what is damaged or ends early, and what
 * `probe` throws for what is not read here.
 */
export async function decode(
  bytes: Buffer,
  limits: PhotoLimits,
  { alpha = 'white', orientation }: DecodeOptions = {},
): Promise<Raster> {
  const what = recognised(bytes, limits.frames);
  // 'error', not the default 'warning': harmless oddities that many phones write would be refused otherwise.
  const options = {
    ...what.options,
    failOn: 'error',
    limitInputPixels: limits.pixels,
    // libvips applies a profile to 8 or 16 bits: floats would come out black.
    ...(what.samples?.format === 'float' && { ignoreIcc: true }),
  } as const;
  return named('picture', what.format, async () => {
    const { samples, whiteIsZero } = what;
    // Of formats whose samples may be wider than 8 bits.
    const header =
      samples !== undefined || what.format === 'avif' ? await sharp(bytes, options).metadata() : undefined;
    // sharp brings 16 bits with a profile to Display P3, and leaves them there.
    const fromP3 = header?.space === 'rgb16' && header.icc !== undefined;
    const plain = () => decodePlain(bytes, options, { alpha, fromP3, isUpright: orientation === 1 });
    if (header === undefined || samples === undefined) return plain();
    const picture = { bytes, options, ...header, samples, whiteIsZero };
    // Integers of 16 bits nearly always fill them: whether they do is told by the picture itself, and only then looked into.
    const usual = samples.format === 'unsigned' && samples.bits === 16 && !header.hasAlpha;
    const raster = usual ? await plain() : undefined;
    if (raster !== undefined && !isFaint(raster.data, whiteIsZero)) return raster;
    const levels = await measure(picture);
    if (isPlain(picture, levels)) return raster ?? plain();
    if (raster !== undefined) releaseMemory(raster.data);
    return decodeScaled(picture, levels, alpha);
  });
}

async function decodePlain(
  bytes: Buffer,
  options: SharpOptions,
  {
    alpha,
    fromP3,
    isUpright,
  }: { readonly alpha: Alpha; readonly fromP3: boolean; readonly isUpright: boolean },
): Promise<Raster> {
  const stored = sharp(bytes, options);
  const upright = isUpright ? stored : stored.autoOrient();
  const opaque = alpha === 'white' ? upright.flatten({ background: 'white' }) : upright.removeAlpha();
  const picture = opaque.toColourspace('srgb');
  const { data, info } = await (fromP3 ? picture.withIccProfile('srgb') : picture)
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3)
    throw new ProblemError(
      'unsupported_media',
      `The picture decodes to ${info.channels} channels, not to sRGB.`,
    );
  return { data, width: info.width, height: info.height };
}

/** No value above a quarter (or below three where white is zero): less than 16 bits seem to be in use. */
function isFaint(data: Uint8Array, whiteIsZero: boolean): boolean {
  return whiteIsZero ? data.every((value) => value >= 192) : data.every((value) => value < 64);
}

/** The model's input made from a raster, and where the picture lies in it. */
export async function toTensor(raster: Raster, input: ModelInput): Promise<{ tensor: Tensor; placed: Fit }> {
  const placed = fit(raster, input, input.fit);
  const { data } = await fitted(raster, placed, input);
  return { tensor: normalise(data, placed, input), placed };
}

/** What of a picture lies in a detector's input. */
export async function fitted(
  raster: Raster,
  placed: Fit,
  { filter = 'lanczos3' }: Pick<ModelInput, 'filter'>,
): Promise<Pixels> {
  return resize(raster, wholly(raster, placed), filter);
}

/** Pixels of the placed picture → tensor: padding, colour order, layout, normalisation. */
export function normalise(
  pixels: Uint8Array | Uint8ClampedArray,
  placed: Fit,
  input: Omit<ModelInput, 'fit'>,
): Tensor {
  const { width, height, layout, colour, scale, mean, std, pad } = input;
  const area = width * height;
  const data = input.dtype === 'uint8' ? new Uint8Array(3 * area) : new Float32Array(3 * area);
  // The part of the placed picture that lies within the input.
  const [top, left] = [Math.max(0, placed.top), Math.max(0, placed.left)];
  const bottom = Math.min(height, placed.top + placed.height);
  const right = Math.min(width, placed.left + placed.width);
  const isCovered = top === 0 && left === 0 && bottom === height && right === width;
  for (let channel = 0; channel < 3; channel++) {
    const source = colour === 'rgb' ? channel : 2 - channel;
    const first = layout === 'nchw' ? channel * area : channel;
    const step = layout === 'nchw' ? 1 : 3;
    const values = Float32Array.from(
      { length: 256 },
      (_, pixel) => (pixel * scale - (mean[channel] ?? 0)) / (std[channel] ?? 1),
    );
    if (!isCovered) {
      const padding = values[pad] ?? 0;
      for (let to = first; to < first + step * area; to += step) data[to] = padding;
    }
    for (let y = top; y < bottom; y++) {
      let from = ((y - placed.top) * placed.width + left - placed.left) * 3 + source;
      const end = first + (y * width + right) * step;
      for (let to = first + (y * width + left) * step; to < end; to += step) {
        data[to] = values[pixels[from]!]!;
        from += 3;
      }
    }
  }
  return { data, dims: layout === 'nchw' ? [1, 3, height, width] : [1, height, width, 3] };
}
