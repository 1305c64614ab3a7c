/** Headers for tests of the WCS. */
import { readFileSync } from 'node:fs';
import { Header } from '../fits/header/header.ts';

/** Of cards as they stand in a file, one a line. */
export function headerOfText(text: string): Header {
  const lines = text.split('\n').filter((line) => line !== '');
  return Header.parse(Buffer.from([...lines, 'END'].map((line) => line.padEnd(80)).join(''), 'latin1'));
}

export function headerOf(values: Readonly<Record<string, string | number | undefined>>): Header {
  return new Header(
    Object.entries(values).flatMap(([keyword, value]) =>
      value === undefined ? [] : [{ keyword, value, comment: '' }],
    ),
  );
}

/** A plain TAN of 0.72″ pixels, changed by what is given; undefined takes a keyword away. */
export function tan(changes: Readonly<Record<string, string | number | undefined>> = {}): Header {
  return headerOf({
    CTYPE1: 'RA---TAN',
    CTYPE2: 'DEC--TAN',
    CRVAL1: 150.1,
    CRVAL2: 2.2,
    CRPIX1: 300.5,
    CRPIX2: 200.5,
    CD1_1: -2e-4,
    CD1_2: 0,
    CD2_1: 0,
    CD2_2: 2e-4,
    ...changes,
  });
}

/** What astropy and wcslib made of real and made headers (tools/oracle/sky_wcs.py). */
export interface Recorded {
  readonly name: string;
  readonly source: string;
  readonly sha256: string;
  /** Degrees a pixel. */
  readonly scale: number;
  /** Of `../shared/samples/sky`, all with this WCS. */
  readonly files?: readonly string[];
  /** null: the pixel is not on the sky. */
  readonly points: readonly (readonly [x: number, y: number, lon: number | null, lat: number | null])[];
}

const folder = new URL('../../../test/oracle/sky/', import.meta.url);

export const recorded: readonly Recorded[] = JSON.parse(
  readFileSync(new URL('wcs.json', folder), 'utf8'),
).values;

export const recordedText = (name: string): string =>
  readFileSync(new URL(`wcs/${name}.hdr`, folder), 'latin1');

/** Degrees between two places that are near each other. */
export function apart(lon: number, lat: number, otherLon: number, otherLat: number): number {
  const east = (((lon - otherLon + 540) % 360) - 180) * Math.cos((otherLat * Math.PI) / 180);
  return Math.hypot(east, lat - otherLat);
}
