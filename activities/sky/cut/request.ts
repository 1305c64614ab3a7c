/** What is asked for, as people write it: a place and a size. */
import { SkyError } from '../errors.ts';

/** One side of a cutout. */
export interface Length {
  readonly value: number;
  readonly unit: 'px' | 'deg';
}

export interface CutSize {
  readonly width: Length;
  readonly height: Length;
}

const decimal = String.raw`(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?`;
const length = new RegExp(`^(${decimal})\\s*(px|arcsec|arcmin|deg)$`, 'i');
const perDegree: Readonly<Record<string, number>> = { deg: 1, arcmin: 60, arcsec: 3600 };

/**
 * Reads `1arcmin`, `60arcsec`, `0.02deg`, `256px`, or width and height as in `2arcminx1arcmin`. Throws SkyError `invalid_cutout`, also for a
 * bare number: whether pixels or minutes are meant is not guessed.
 */
export function parseSize(text: string): CutSize {
  const sides = text.trim().split(/\s*[x×]\s*(?=[\d.])/i);
  if (sides.length > 2) refuseSize(text);
  const width = parseLength(sides[0]!, text);
  return { width, height: sides[1] === undefined ? width : parseLength(sides[1], text) };
}

function parseLength(side: string, text: string): Length {
  return lengthOf(side) ?? refuseSize(text);
}

/** Undefined where it is none, not above 0, or without its unit. */
function lengthOf(text: string): Length | undefined {
  const [, number, unit = ''] = length.exec(text) ?? [];
  const name = unit.toLowerCase();
  const value = Number(number) / (perDegree[name] ?? 1);
  if (!(value > 0 && Number.isFinite(value))) return undefined;
  return { value, unit: name === 'px' ? 'px' : 'deg' };
}

/** Degrees of an angle a pixel, as `0.5arcsec`. Throws SkyError `invalid_cutout`, also for a bare number, and for pixels. */
export function parsePixelScale(text: string): number {
  const found = lengthOf(text.trim());
  if (found?.unit !== 'deg')
    throw new SkyError(
      'invalid_cutout',
      `The pixel scale ${JSON.stringify(text.slice(0, 80))} is none: write an angle above 0 with its unit, as in 0.5arcsec.`,
    );
  return found.value;
}

function refuseSize(text: string): never {
  throw new SkyError(
    'invalid_cutout',
    `The size ${JSON.stringify(text.slice(0, 80))} is none: write a number above 0 with its unit, as in 1arcmin, 60arcsec, 0.02deg or 256px, or width x height as in 2arcminx1arcmin.`,
  );
}

const sexagesimal =
  /^([+-]?)(\d{1,3})\s*(?:[:hd°]|\s)\s*(\d{1,2})\s*(?:(?:[:m′']|\s)\s*(?:(\d{1,2}(?:\.\d*)?)\s*[s″"]?)?)?$/i;

/** Degrees of a right ascension in degrees (`150.1`) or in hours, minutes, seconds (`10:00:24`, `10h00m24s`). Throws SkyError `invalid_cutout`. */
export function parseRa(text: string): number {
  const parts = sexagesimal.exec(text.trim());
  const degrees = parts && !/[d°]/i.test(text) ? 15 * sum(parts) : number(text);
  if (!(degrees >= 0 && degrees <= 360)) {
    throw new SkyError(
      'invalid_cutout',
      `The right ascension ${JSON.stringify(text.slice(0, 80))} is none: write degrees from 0 to 360, or hours as in 10:00:24.`,
    );
  }
  return degrees === 360 ? 0 : degrees;
}

/** Degrees of a declination in degrees (`-2.2`) or in degrees, minutes, seconds (`-02:12:00`, `-2d12m00s`). Throws SkyError `invalid_cutout`. */
export function parseDec(text: string): number {
  const parts = sexagesimal.exec(text.trim());
  const degrees = parts && !/h/i.test(text) ? sum(parts) : number(text);
  if (!(degrees >= -90 && degrees <= 90)) {
    throw new SkyError(
      'invalid_cutout',
      `The declination ${JSON.stringify(text.slice(0, 80))} is none: write degrees from -90 to 90, or as in -02:12:00.`,
    );
  }
  return degrees;
}

const plain = new RegExp(`^[+-]?${decimal}$`);

/** NaN for what is no number: `Number('')` would be 0. */
function number(text: string): number {
  return plain.test(text.trim()) ? Number(text) : Number.NaN;
}

function sum([, sign, whole, minutes, seconds = '0']: RegExpExecArray): number {
  if (Number(minutes) >= 60 || Number(seconds) >= 60) return Number.NaN;
  const value = Number(whole) + Number(minutes) / 60 + Number(seconds) / 3600;
  return sign === '-' ? -value : value;
}
