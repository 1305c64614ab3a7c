/** What a photo is, told from its bytes before libvips sees them: the format, which picture of it is meant, and how its samples count. */
import { ProblemError } from '@darkroom/contract';
import { toldMemory } from '@darkroom/lane/child/memory.ts';
import type { SharpOptions } from 'sharp';
import { pngSampleBits, whyJpegUnsupported } from './headers.ts';
import type { Samples } from './levels.ts';
import { type PhotoFormat, SNIFF_BYTES, sniff } from './sniff.ts';
import { largestPage, type TiffPage, tiffPages, whyUnsupported } from './tiff/pages.ts';

export interface Recognised {
  readonly format: PhotoFormat;
  /** That point sharp to the picture. */
  readonly options: Pick<SharpOptions, 'page' | 'tiff'>;
  /** Where black and white depend on what is in the picture: its samples. */
  readonly samples?: Samples;
  /** White is zero in the file. */
  readonly whiteIsZero: boolean;
  /** Pages of a TIFF; told of other formats by libvips. */
  readonly pages?: number;
}

const INSTEAD = 'Send JPEG, PNG, WebP, TIFF, GIF or AVIF.';
const EXPORT = 'Export it as JPEG, or as PNG or TIFF of 8 bits a sample, and send that.';

/**
 * Throws `empty_file`, `unsupported_media`, `heic_unsupported`, `video_among_photos`; of a TIFF, of which at most `pages` directories are looked
 * through for the largest picture, `too_many_frames` and `truncated_image` as well.
 */
export function recognised(bytes: Buffer, pages: number): Recognised {
  const format = supportedFormat(bytes);
  if (format === 'tiff') return ofTiff(tiffPages(bytes, pages));
  if (format === 'jpeg') {
    const why = whyJpegUnsupported(bytes);
    if (why !== undefined)
      throw new ProblemError('unsupported_media', `The JPEG is ${why}, which is not read here. ${EXPORT}`);
  }
  const plain = { format, options: {}, whiteIsZero: false };
  if (format !== 'png') return plain;
  const { bits, significant } = pngSampleBits(bytes);
  if (bits !== 16) return plain;
  return {
    ...plain,
    samples: { format: 'unsigned', bits, ...(significant && { declared: 2 ** significant - 1 }) },
  };
}

function ofTiff(pages: readonly TiffPage[]): Recognised {
  const picture = largestPage(pages);
  const why = whyUnsupported(picture);
  if (why !== undefined) {
    const which =
      pages.length === 1 ? 'The TIFF’s picture' : `The largest of the TIFF’s ${pages.length} pictures`;
    throw new ProblemError('unsupported_media', `${which} is ${why}. ${EXPORT}`);
  }
  const { page, subifd, bits = 8, sampleFormat, photometric, largestSample: declared } = picture;
  const counts = photometric <= 2 && sampleFormat !== 'other' && (bits > 8 || sampleFormat !== 'unsigned');
  return {
    format: 'tiff',
    options: { page, ...(subifd !== undefined && { tiff: { subifd } }) },
    ...(counts && { samples: { format: sampleFormat, bits, ...(declared !== undefined && { declared }) } }),
    whiteIsZero: photometric === 0,
    pages: pages.filter((one) => one.subifd === undefined).length,
  };
}

function supportedFormat(bytes: Buffer): PhotoFormat {
  const found = sniff(bytes.subarray(0, SNIFF_BYTES));
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
      throw new ProblemError('unsupported_media', `The file is ${found.format}. ${INSTEAD}`);
    case 'text':
      throw new ProblemError('unsupported_media', `The file is text. ${INSTEAD}`);
    case 'unknown':
      throw new ProblemError('unsupported_media', `The content is of no known kind. ${INSTEAD}`);
  }
}

/** What libvips and its decoders say of what is whole, but of a kind they do not read. JPEG's are told by its header: its damage reads alike. */
const UNSUPPORTED =
  /unsupported (feature|color|colour|codec|image type|data version)|not supported|(not|isn't) (implemented|configured|built)|no known route|not a whole number of bytes|samples out of range|No 'meta' box/i;

/** Runs `read`; what it throws becomes `memory_limit`, `unsupported_media` or `truncated_image`, with the `part` named that could not be read. */
export async function named<T>(part: string, format: PhotoFormat, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (caught) {
    const error = toldMemory(caught);
    if (error instanceof ProblemError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const [first = ''] = message.split('\n');
    const reason = `The ${part} cannot be read: ${first}`;
    if (format !== 'jpeg' && UNSUPPORTED.test(message))
      throw new ProblemError('unsupported_media', `${reason}. ${EXPORT}`, { cause: error });
    throw new ProblemError('truncated_image', reason, { cause: error });
  }
}
