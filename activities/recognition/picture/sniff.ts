/** Tells what a file is from its first bytes, never from its name. Depends on nothing. */

export type PhotoFormat = 'jpeg' | 'png' | 'webp' | 'tiff' | 'gif' | 'avif';

export type Sniffed =
  | { readonly kind: 'empty' }
  /** A picture that can be read here. */
  | { readonly kind: 'photo'; readonly format: PhotoFormat }
  /** HEIF with HEVC inside, as iPhones make it. */
  | { readonly kind: 'heic' }
  | { readonly kind: 'video'; readonly format: string }
  | { readonly kind: 'text' }
  /** Known, but neither a picture that can be read here nor a video. */
  | { readonly kind: 'other'; readonly format: string }
  | { readonly kind: 'unknown' };

/** How many bytes of the start `sniff` looks at. */
export const SNIFF_BYTES = 4096;

const ascii = (head: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...head.subarray(start, end));

/** A signature: hexadecimal bytes at an offset; `..` is any byte. */
interface Signature {
  readonly at: number;
  readonly hex: string;
  readonly is: Sniffed;
}

const photo = (format: PhotoFormat): Sniffed => ({ kind: 'photo', format });
const video = (format: string): Sniffed => ({ kind: 'video', format });
const other = (format: string): Sniffed => ({ kind: 'other', format });

const signatures: readonly Signature[] = [
  { at: 0, hex: 'ffd8fff7', is: other('JPEG-LS') },
  { at: 0, hex: 'ffd8ff', is: photo('jpeg') },
  { at: 0, hex: '89504e470d0a1a0a', is: photo('png') },
  { at: 0, hex: '474946383761', is: photo('gif') },
  { at: 0, hex: '474946383961', is: photo('gif') },
  { at: 0, hex: '52494646........57454250', is: photo('webp') },
  { at: 0, hex: '49492a00........4352', is: other('Canon raw') },
  { at: 0, hex: '49495500', is: other('Panasonic raw') },
  { at: 0, hex: '4949524f', is: other('Olympus raw') },
  { at: 0, hex: '49495253', is: other('Olympus raw') },
  { at: 0, hex: '4d4d4f52', is: other('Olympus raw') },
  { at: 0, hex: '46554a4946494c4d4343442d524157', is: other('Fujifilm raw') },
  { at: 0, hex: '464f5662', is: other('Sigma raw') },
  { at: 0, hex: '004d524d', is: other('Minolta raw') },
  { at: 0, hex: '4949bc', is: other('JPEG XR') },
  { at: 0, hex: '49492a00', is: photo('tiff') },
  { at: 0, hex: '4d4d002a', is: photo('tiff') },
  { at: 0, hex: '49492b00', is: photo('tiff') },
  { at: 0, hex: '4d4d002b', is: photo('tiff') },
  { at: 0, hex: '52494646........41564920', is: video('avi') },
  { at: 0, hex: '52494646........57415645', is: other('WAVE audio') },
  { at: 4, hex: '6d6f6f76', is: video('mov') },
  { at: 4, hex: '6d646174', is: video('mov') },
  { at: 4, hex: '77696465', is: video('mov') },
  { at: 0, hex: '000001ba', is: video('mpeg') },
  { at: 0, hex: '000001b3', is: video('mpeg') },
  { at: 0, hex: '464c5601', is: video('flv') },
  { at: 0, hex: '3026b2758e66cf11', is: video('asf') },
  { at: 0, hex: '060e2b34', is: video('mxf') },
  { at: 0, hex: '0000000c4a584c20', is: other('JPEG XL') },
  { at: 0, hex: 'ff0a', is: other('JPEG XL') },
  { at: 0, hex: '0000000c6a502020', is: other('JPEG 2000') },
  { at: 0, hex: 'ff4fff51', is: other('JPEG 2000') },
  { at: 0, hex: '424d............0000', is: other('BMP') },
  { at: 0, hex: '00000100', is: other('ICO') },
  { at: 0, hex: '00000200', is: other('CUR') },
  { at: 0, hex: '69636e73', is: other('ICNS') },
  { at: 0, hex: '44445320', is: other('DDS') },
  { at: 0, hex: '8a4d4e470d0a1a0a', is: other('MNG') },
  { at: 0, hex: '8b4a4e470d0a1a0a', is: other('JNG') },
  { at: 0, hex: '50350a', is: other('PNM') },
  { at: 0, hex: '50360a', is: other('PNM') },
  { at: 0, hex: '716f6966', is: other('QOI') },
  { at: 0, hex: '425047fb', is: other('BPG') },
  { at: 0, hex: '464c4946', is: other('FLIF') },
  { at: 0, hex: '233f52414449414e43450a', is: other('Radiance HDR') },
  { at: 0, hex: '41542654464f524d', is: other('DjVu') },
  { at: 0, hex: '67696d702078636620', is: other('GIMP') },
  { at: 0, hex: '252150532d', is: other('PostScript') },
  { at: 0, hex: 'd7cdc69a', is: other('WMF') },
  { at: 128, hex: '4449434d', is: other('DICOM') },
  { at: 0, hex: '894844460d0a1a0a', is: other('HDF5') },
  { at: 0, hex: 'd0cf11e0a1b11ae1', is: other('an Office document') },
  { at: 0, hex: '377abcaf271c', is: other('7z') },
  { at: 0, hex: '526172211a07', is: other('RAR') },
  { at: 257, hex: '7573746172', is: other('tar') },
  { at: 0, hex: '494433', is: other('MP3 audio') },
  { at: 0, hex: '664c6143', is: other('FLAC audio') },
  { at: 0, hex: '38425053', is: other('Photoshop') },
  { at: 0, hex: '76312f31', is: other('OpenEXR') },
  { at: 0, hex: '25504446', is: other('PDF') },
  { at: 0, hex: '504b0304', is: other('ZIP') },
  { at: 0, hex: '1f8b', is: other('gzip') },
  { at: 0, hex: '53494d504c45', is: other('FITS') },
];

/** Kind and format of a file of which `head` is the start; more than `SNIFF_BYTES` of it are not looked at. */
export function sniff(head: Uint8Array): Sniffed {
  if (head.length === 0) return { kind: 'empty' };
  const start = head.subarray(0, SNIFF_BYTES);
  return (
    signatures.find((signature) => matches(start, signature))?.is ??
    isoMedia(start) ??
    matroska(start) ??
    ogg(start) ??
    transportStream(start) ??
    text(start) ?? { kind: 'unknown' }
  );
}

function matches(head: Uint8Array, { at, hex }: Signature): boolean {
  const length = hex.length / 2;
  if (head.length < at + length) return false;
  for (let i = 0; i < length; i++) {
    const byte = hex.slice(2 * i, 2 * i + 2);
    if (byte !== '..' && head[at + i] !== Number.parseInt(byte, 16)) return false;
  }
  return true;
}

const SEQUENCE_BRANDS = new Set(['msf1', 'hevc', 'hevx', 'hevm', 'hevs']);
const HEIC_BRANDS = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs']);

/** ISO base media files: the brands in the leading `ftyp` box (ISO/IEC 14496-12; HEIF: ISO/IEC 23008-12). */
function isoMedia(head: Uint8Array): Sniffed | undefined {
  if (head.length < 12 || ascii(head, 4, 8) !== 'ftyp') return undefined;
  const size = new DataView(head.buffer, head.byteOffset, head.length).getUint32(0);
  const brands = [ascii(head, 8, 12)];
  for (let at = 16; at + 4 <= Math.min(size, head.length); at += 4) brands.push(ascii(head, at, at + 4));
  const [major = ''] = brands;
  // Still pictures have a `meta` box where sequences have `moov`, as films do; a file may have both.
  const still = ascii(head, size + 4, size + 8) === 'meta';
  if (major === 'avis') return other('animated AVIF');
  if (SEQUENCE_BRANDS.has(major) && !still && size + 8 <= head.length) return other('a HEIF image sequence');
  if (major === 'avif') return photo('avif');
  if (HEIC_BRANDS.has(major)) return { kind: 'heic' };
  if (major === 'mif1' || major === 'msf1') {
    if (brands.some((brand) => HEIC_BRANDS.has(brand))) return { kind: 'heic' };
    return brands.includes('avif') || brands.includes('avis') ? photo('avif') : other('HEIF');
  }
  if (major === 'crx ') return other('Canon raw');
  if (major.startsWith('M4A') || major.startsWith('M4B')) return other('MPEG-4 audio');
  return video(major === 'qt  ' ? 'mov' : major.startsWith('3g') ? '3gp' : 'mp4');
}

/** Matroska and WebM are EBML files that name their type within the first bytes. */
function matroska(head: Uint8Array): Sniffed | undefined {
  if (!matches(head, { at: 0, hex: '1a45dfa3', is: video('mkv') })) return undefined;
  return video(ascii(head, 0, 64).includes('webm') ? 'webm' : 'mkv');
}

function ogg(head: Uint8Array): Sniffed | undefined {
  if (ascii(head, 0, 4) !== 'OggS') return undefined;
  return ascii(head, 0, 512).includes('theora') ? video('ogv') : other('Ogg audio');
}

/** MPEG transport streams repeat a sync byte every 188 bytes, or every 192 behind a time stamp (M2TS). */
function transportStream(head: Uint8Array): Sniffed | undefined {
  const synced = (first: number, stride: number) =>
    head.length > first + 2 * stride && [0, 1, 2].every((n) => head[first + n * stride] === 0x47);
  return synced(0, 188) || synced(4, 192) ? video('ts') : undefined;
}

/** UTF-8 (a character cut at the end is fine) or UTF-16 with its mark, without control characters. */
function text(head: Uint8Array): Sniffed | undefined {
  const wide = (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
  if (wide) return { kind: 'text' };
  let content: string;
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
  } catch {
    return undefined;
  }
  if (/^\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/i.test(content))
    return other('SVG');
  for (const character of content) {
    const code = character.charCodeAt(0);
    if (code < 32 && code !== 9 && code !== 10 && code !== 12 && code !== 13 && code !== 27) return undefined;
  }
  return { kind: 'text' };
}
