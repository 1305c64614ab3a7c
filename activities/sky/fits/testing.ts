/** FITS files for tests: those that other programs were asked about, and where the real ones lie. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Pixels, Plane } from '../image/plane.ts';

const root = new URL('../../../', import.meta.url);
const oracle = new URL('test/oracle/sky/', root);

/** What other programs read of one image. */
export interface RecordedImage {
  readonly bitpix: number;
  readonly width: number;
  readonly height: number;
  readonly sha256: string;
  readonly nan: number;
  readonly min: number;
  readonly max: number;
  readonly samples: Readonly<Record<string, number | null>>;
  readonly agree: readonly string[];
  readonly differ?: readonly string[];
  /** SHA-256 of the sorted keywords that funpack restores. */
  readonly keywords?: string;
}

interface Recorded {
  readonly inputs: Readonly<Record<string, { offset: number; bytes: number; sha256: string }>>;
  readonly values: Readonly<Record<string, readonly RecordedImage[]>>;
  readonly files: Readonly<Record<string, { sha256: string; images: readonly RecordedImage[] }>>;
}

export interface OracleFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly images: readonly RecordedImage[];
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function recorded(): Recorded {
  return JSON.parse(readFileSync(new URL('fits.json', oracle), 'utf8')) as Recorded;
}

function checked(name: string, bytes: Uint8Array, wanted: string): Uint8Array {
  if (sha256(bytes) !== wanted)
    throw new Error(`${name} is not what the oracle was asked about: record it again.`);
  return bytes;
}

/** Files that fpack made, and variants of them that it does not write. */
export function packedFiles(): OracleFile[] {
  const { inputs, values } = recorded();
  const all = gunzipSync(readFileSync(new URL('fits.bin.gz', oracle)));
  return Object.entries(inputs).map(([name, { offset, bytes, sha256: wanted }]) => ({
    name,
    bytes: checked(name, all.subarray(offset, offset + bytes), wanted),
    images: values[name] ?? [],
  }));
}

/** One of {@link packedFiles}. */
export function packedFile(name: string): Uint8Array {
  const found = packedFiles().find((file) => file.name === name);
  if (found === undefined) throw new Error(`There is no ${name}.`);
  return found.bytes;
}

/** The folder of real survey files, beside the checkout; undefined where it is not there. */
export function samplesFolder(): URL | undefined {
  return ['../shared/', '../../shared/'].map((path) => new URL(`${path}samples/sky/`, root)).find(existsSync);
}

/** Real files: astropy's, and those of a survey where they are there. */
export function realFiles(): OracleFile[] {
  const samples = samplesFolder();
  return Object.entries(recorded().files).flatMap(([name, { sha256: wanted, images }]) => {
    const base = name.startsWith('samples/') ? samples : new URL('fixtures/', oracle);
    if (base === undefined) return [];
    const bytes = readFileSync(fileURLToPath(new URL(name.slice(name.indexOf('/') + 1), base)));
    return [{ name, bytes: checked(name, bytes, wanted), images }];
  });
}

/** Pixels as the oracle hashes them: big-endian, one NaN. */
export function pixelHash({ data }: Plane): string {
  const copy: Pixels = data.slice();
  if (copy instanceof Float32Array || copy instanceof Float64Array) {
    for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) copy[i] = Number.NaN;
  }
  const bytes = Buffer.from(copy.buffer, copy.byteOffset, copy.byteLength);
  if (copy.BYTES_PER_ELEMENT === 2) bytes.swap16();
  else if (copy.BYTES_PER_ELEMENT === 4) bytes.swap32();
  else if (copy.BYTES_PER_ELEMENT === 8) bytes.swap64();
  return sha256(bytes);
}
