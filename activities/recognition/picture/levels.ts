/**
 * Which sample values of a picture are black and white, where its format leaves that open: floating-point and signed samples, samples
 * of 32 bits, and 16-bit samples that hold 12 bits or so. Such pictures would come out near black, or white.
 */
import sharp, { type Sharp, type SharpOptions } from 'sharp';

/** What stands for black and for white. */
export interface Levels {
  readonly black: number;
  readonly white: number;
}

export interface Samples {
  readonly format: 'unsigned' | 'signed' | 'float';
  readonly bits: number;
  /** What the file says white is. */
  readonly declared?: number | undefined;
}

/** What is transparent lies on white, or shows the colours that lie under it. */
export type Alpha = 'white' | 'drop';

/** Of the finite values of a picture, alpha aside. */
export interface Spread {
  readonly least: number;
  readonly most: number;
  /** All but a two-hundredth of the values are at least, or at most, this. */
  readonly usualLeast: number;
  readonly usualMost: number;
}

/** Largest values of what is stored in wider samples: 8, 10, 12, 14, 16 bits; 24 and 32, signed and not. */
const WHITES = [255, 1023, 4095, 16_383, 65_535, 2 ** 24 - 1, 2 ** 31 - 1, 2 ** 32 - 1];

/** Floats so near black that they cannot be meant to end at 1: a 64th. */
const DARK = 1 / 64;

/**
 * The levels of integers: from zero to what the file declares or to the smallest usual white that holds what is in it; from the least to the
 * largest value where there are negative ones, or where no usual white is near. Of floats: from 0 to 1 where nearly all values lie there,
 * else likewise, with outliers left out.
 */
export function levelsOf({ format, bits, declared }: Samples, spread: Spread): Levels {
  if (format === 'float') return floatLevels(declared, spread);
  const { least, most } = spread;
  const top = 2 ** (format === 'signed' ? bits - 1 : bits) - 1;
  if (most <= least && most <= 0) return { black: 0, white: top };
  if (least < 0) return { black: least, white: most };
  if (declared !== undefined && declared >= most && declared <= top) return { black: 0, white: declared };
  return { black: 0, white: whiteAbove(most, most, [...WHITES.filter((white) => white < top), top]) };
}

function floatLevels(declared: number | undefined, { most, usualLeast, usualMost }: Spread): Levels {
  if (usualLeast < -0.05 * Math.abs(usualMost)) {
    // What is fed to networks, and what they give.
    if (usualLeast >= -1.001 && usualMost <= 1.001) return { black: -1, white: 1 };
    return { black: usualLeast, white: Math.max(usualMost, usualLeast + 1e-6) };
  }
  if (declared !== undefined && declared > 1 && declared >= usualMost) return { black: 0, white: declared };
  if (usualMost > 1.001) return { black: 0, white: whiteAbove(usualMost, usualMost / 1.02, WHITES) };
  return { black: 0, white: most > 0 && most < DARK ? most : 1 };
}

/** The first of `whites` from `least` on; `value` itself where that is more than four times as large. */
function whiteAbove(value: number, least: number, whites: readonly number[]): number {
  const white = whites.find((candidate) => candidate >= least);
  return white === undefined || white > 4 * value + 3 ? value : white;
}

/** How libvips has opened a picture: names of sharp's metadata. */
export interface Opened {
  readonly bytes: Buffer;
  readonly options: SharpOptions;
  readonly space: string;
  readonly channels: number;
  readonly hasAlpha: boolean;
  readonly samples: Samples;
  /** White is zero in the file, so that libvips has turned the values round. */
  readonly whiteIsZero: boolean;
}

/** So many columns and rows are looked at, spread evenly over the picture. */
const LOOKED_AT = 1024;

/** The levels of a picture's colours, and what stands for opaque. Decodes it once, in little memory. */
export async function measure(picture: Opened): Promise<Levels & { readonly opaque: number }> {
  const { channels, hasAlpha, samples, whiteIsZero } = picture;
  const signed = wide(picture) && samples.format === 'signed';
  const small = untouched(picture).resize(LOOKED_AT, LOOKED_AT, {
    fit: 'inside',
    kernel: 'nearest',
    withoutEnlargement: true,
  });
  // Where libvips casts to 16 bits without a sign, negative values would be lost.
  const shifted = signed ? small.linear(1, SIGN_16) : small;
  const { buffer, byteOffset, byteLength } = await shifted.raw({ depth: 'float' }).toBuffer();
  const values = new Float32Array(buffer, byteOffset, byteLength / 4);
  const colours = hasAlpha ? channels - 1 : channels;
  const turn = (value: number): number => (whiteIsZero ? 65_535 - value : signed ? value - SIGN_16 : value);
  const { black, white } = levelsOf(
    samples,
    spreadOf(values, (at) => at % channels < colours, turn),
  );
  const levels = whiteIsZero ? { black: 65_535 - white, white: 65_535 } : { black, white };
  if (!hasAlpha) return { ...levels, opaque: white };
  const alpha = spreadOf(
    values,
    (at) => at % channels === colours,
    (value) => value,
  );
  const own = levelsOf({ format: samples.format, bits: samples.bits }, alpha).white;
  // Integers of alpha have as many bits as those of the colours; floats may end at 1 beside colours that end at 255.
  return { ...levels, opaque: samples.format === 'float' ? own : Math.max(own, white) };
}

const SIGN_16 = 32_768;

function spreadOf(
  values: Float32Array,
  counts: (at: number) => boolean,
  turn: (value: number) => number,
): Spread {
  const finite = values
    .filter((value, at) => counts(at) && Number.isFinite(value))
    .map(turn)
    .sort();
  const last = finite.length - 1;
  const at = (part: number): number => finite[Math.round(part * last)] ?? 0;
  return { least: at(0), most: at(1), usualLeast: at(0.005), usualMost: at(0.995) };
}

/** Whether libvips holds the picture as 16 bits a sample. */
const wide = ({ space }: Opened): boolean => space === 'rgb16' || space === 'grey16';

/** Whether libvips by itself takes the picture for what it is with these levels: linear light from 0 to 1, or all of 16 bits. */
export function isPlain(
  { space }: Opened,
  { black, white, opaque }: Levels & { readonly opaque: number },
): boolean {
  if (space === 'scrgb') return black === 0 && white === 1 && opaque === 1;
  return (space === 'rgb16' || space === 'grey16') && black === 0 && white === 65_535 && opaque === 65_535;
}

/** The values as they are in the file: without colour management and conversions. */
function untouched({ bytes, options, space }: Opened): Sharp {
  return sharp(bytes, { ...options, ignoreIcc: true }).toColourspace(space);
}

/**
 * Decodes a picture with these levels, straight, into upright sRGB, 3 bytes a pixel.
 */
export async function decodeScaled(
  picture: Opened,
  { black, white, opaque }: Levels & { readonly opaque: number },
  alpha: Alpha,
): Promise<{ data: Buffer; width: number; height: number }> {
  const { channels, hasAlpha, space } = picture;
  const top = wide(picture) ? 65_535 : 255;
  const scale = top / (white - black);
  const factors = Array.from({ length: channels }, () => scale);
  const offsets = factors.map(() => -black * scale);
  if (hasAlpha) {
    factors[channels - 1] = top / opaque;
    offsets[channels - 1] = 0;
  }
  const { data, info } = await untouched(picture)
    .autoOrient()
    .linear(factors, offsets)
    // Float RGB would be taken for linear light; here it is what 8 bits of it would be.
    .toColourspace(space === 'scrgb' ? space : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { data: info.channels === 4 ? opaqueOf(data, alpha) : data, width: info.width, height: info.height };
}

/** RGBA laid on white, or without its alpha. */
function opaqueOf(rgba: Buffer, how: Alpha): Buffer {
  const pixels = rgba.length / 4;
  const data = Buffer.alloc(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const alpha = how === 'drop' ? 1 : (rgba[pixel * 4 + 3] ?? 0) / 255;
    for (let channel = 0; channel < 3; channel++)
      data[pixel * 3 + channel] = Math.round(255 + ((rgba[pixel * 4 + channel] ?? 0) - 255) * alpha);
  }
  return data;
}
