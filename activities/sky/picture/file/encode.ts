/** Pictures as files. Equal pictures with equal texts are equal bytes: no clock, no host. */
import type { Raster } from '../raster.ts';
import { withTexts } from './png-text.ts';

export type PictureFormat = 'png' | 'jpeg' | 'webp';

export interface EncodeOptions {
  readonly format: PictureFormat;
  /** Keyword (1 to 79 characters of Latin-1) to text: chunks of a PNG; in JPEG and WebP, as JSON in the Exif ImageDescription. */
  readonly texts?: Readonly<Record<string, string>>;
  /** Of JPEG and WebP, 1 to 100: 90. */
  readonly quality?: number;
}

/**
 * zlib's 2 of 9: on noise, which skies are, it is within 1 % of 6 and takes two thirds of its time; 1 takes less and makes files a fifth larger. Filters
 * (adaptive) make noise larger.
 */
const compressionLevel = 2;

/** JPEG and WebP have 8 bits; JPEG has no alpha, what is transparent is black there. */
export async function encodePicture(raster: Raster, options: EncodeOptions): Promise<Buffer> {
  const { width, height, channels, data } = raster;
  // Whoever makes no pictures has no native code of them in it; it is given counts alone, nobody's file.
  const { default: sharp } = await import('sharp');
  const raw = sharp(data, { raw: { width, height, channels } });
  const { format, texts = {}, quality = 90 } = options;
  if (format === 'png') {
    const grey = channels < 3;
    const space = data instanceof Uint16Array ? (grey ? 'grey16' : 'rgb16') : grey ? 'b-w' : 'srgb';
    const png = await raw.toColourspace(space).png({ compressionLevel, adaptiveFiltering: false }).toBuffer();
    return withTexts(png, texts);
  }
  const told =
    Object.keys(texts).length === 0
      ? raw
      : raw.withExif({ IFD0: { ImageDescription: JSON.stringify(texts) } });
  return format === 'jpeg'
    ? told.flatten({ background: '#000' }).jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer()
    : told.webp({ quality }).toBuffer();
}
