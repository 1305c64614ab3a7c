/** Counts changes of what decoding makes of a picture. */
import { extname } from 'node:path';

/**
 * Of files with these names: 16 bits with a profile, the largest page of a TIFF and HEIC in HDR came out otherwise before. What is named
 * JPEG, WebP or GIF is decoded as ever, and nearly all that is named PNG: those of 16 bits with a profile alone are not.
 */
const revisions: Readonly<Record<string, number>> = {
  '.tif': 1,
  '.tiff': 1,
  '.avif': 1,
  '.heic': 1,
  '.heif': 1,
  '.hif': 1,
};

/** The revision of decoding for a file, by its name, as a result's digest is wanted before a byte of it is read; undefined: none so far. */
export const decodingRevision = (filename: string): number | undefined =>
  revisions[extname(filename).toLowerCase()];
