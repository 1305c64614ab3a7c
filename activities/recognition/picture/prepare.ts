/**
 * From bytes of a photo to what the model and the pen need.
 *
 * The header is read and judged before anything is decoded. The picture is decoded once, at full size, into one raster of
 * 3 bytes a pixel; the model's input is made from that raster, and the boxes are drawn into it. JPEG's shrink-on-load would be
 * faster where nothing is drawn, but then the same photo would score differently with and without annotation.
 */
import { ProblemError } from '@darkroom/contract';
import sharp from 'sharp';
import type { ModelInput } from '../model/card.ts';
import { type Fit, fit } from './fit.ts';
import { type PhotoFormat, SNIFF_BYTES, sniff } from './sniff.ts';

// Each photo is seen once: libvips' operation cache would only hold memory.
sharp.cache(false);

/** JPEG's own limit, and so that of the annotated picture. */
const MAX_SIDE = 65_535;

export interface PhotoLimits {
  /** Of the file. */
  readonly bytes: number;
  /** Width × height of one frame. */
  readonly pixels: number;
  /** Frames of an animation or pages of a TIFF; only the first is analysed. */
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
 * Reads the header and checks it against the limits; decodes nothing. Throws `empty_file`, `too_large`, `unsupported_media`,
 * `heic_unsupported`, `video_among_photos`, `truncated_image`, `too_many_pixels`, `too_many_frames`.
 */
export async function probe(bytes: Buffer, limits: PhotoLimits): Promise<PhotoHeader> {
  const format = supportedFormat(bytes);
  if (bytes.length > limits.bytes)
    throw new ProblemError('too_large', `The file has ${bytes.length} bytes; the limit is ${limits.bytes}.`);
  const header = await damageNamed('header', () => sharp(bytes, { limitInputPixels: false }).metadata());
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
  const frames = header.pages ?? 1;
  if (frames > limits.frames)
    throw new ProblemError(
      'too_many_frames',
      `The file has ${frames} frames; the limit is ${limits.frames}.`,
    );
  return { width, height, format, frames, orientation: header.orientation ?? 1 };
}

function supportedFormat(bytes: Buffer): PhotoFormat {
  const found = sniff(bytes.subarray(0, SNIFF_BYTES));
  const instead = 'Send JPEG, PNG, WebP, TIFF, GIF or AVIF.';
  switch (found.kind) {
    case 'photo':
      return found.format;
    case 'empty':
      throw new ProblemError('empty_file', 'The file has no bytes.');
    case 'heic':
      throw new ProblemError(
        'heic_unsupported',
        'The file is HEIC with HEVC inside, which is not decoded here. Export it as JPEG; on an iPhone, ' +
          'Settings → Camera → Formats → Most Compatible takes JPEG from the start.',
      );
    case 'video':
      throw new ProblemError(
        'video_among_photos',
        `The file is a video (${found.format}), which is a task of its own.`,
      );
    case 'other':
      throw new ProblemError('unsupported_media', `The file is ${found.format}. ${instead}`);
    case 'text':
      throw new ProblemError('unsupported_media', `The file is text. ${instead}`);
    case 'unknown':
      throw new ProblemError('unsupported_media', `The content is of no known kind. ${instead}`);
  }
}

/** Decodes the first frame at full size. Throws `truncated_image` for what is damaged or ends early. */
export async function decode(bytes: Buffer, limits: PhotoLimits): Promise<Raster> {
  const { data, info } = await damageNamed('picture', () =>
    // 'error', not the default 'warning': harmless oddities that many phones write would be refused otherwise.
    sharp(bytes, { failOn: 'error', limitInputPixels: limits.pixels })
      .autoOrient()
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true }),
  );
  if (info.channels !== 3)
    throw new ProblemError(
      'unsupported_media',
      `The picture decodes to ${info.channels} channels, not to sRGB.`,
    );
  return { data, width: info.width, height: info.height };
}

async function damageNamed<T>(part: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new ProblemError('truncated_image', `The ${part} cannot be read: ${reason}`, { cause: error });
  }
}

/** The model's input made from a raster, and where the picture lies in it. */
export async function toTensor(raster: Raster, input: ModelInput): Promise<{ tensor: Tensor; placed: Fit }> {
  const placed = fit(raster, input, input.fit);
  const small = await sharp(raster.data, {
    raw: { width: raster.width, height: raster.height, channels: 3 },
    limitInputPixels: false,
  })
    .resize(placed.width, placed.height, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer();
  return { tensor: normalise(small, placed, input), placed };
}

/** Pixels of the placed picture → tensor: padding, colour order, layout, normalisation. */
export function normalise(pixels: Uint8Array, placed: Fit, input: ModelInput): Tensor {
  const { width, height, layout, colour, scale, mean, std, pad } = input;
  const area = width * height;
  const data = input.dtype === 'uint8' ? new Uint8Array(3 * area) : new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const source = colour === 'rgb' ? channel : 2 - channel;
    const first = layout === 'nchw' ? channel * area : channel;
    const step = layout === 'nchw' ? 1 : 3;
    const values = Float32Array.from(
      { length: 256 },
      (_, pixel) => (pixel * scale - (mean[channel] ?? 0)) / (std[channel] ?? 1),
    );
    const padding = values[pad] ?? 0;
    for (let y = 0; y < height; y++) {
      const row = y - placed.top;
      const inRows = row >= 0 && row < placed.height;
      for (let x = 0; x < width; x++) {
        const column = x - placed.left;
        const inside = inRows && column >= 0 && column < placed.width;
        data[first + (y * width + x) * step] = inside
          ? (values[pixels[(row * placed.width + column) * 3 + source] ?? 0] ?? 0)
          : padding;
      }
    }
  }
  return { data, dims: layout === 'nchw' ? [1, 3, height, width] : [1, height, width, 3] };
}
