/** What the cutter refuses: by name, so that whoever asked can be told whose fault it is and what to do. */

/**
 * - `invalid_fits`: no FITS file, or one that contradicts itself.
 * - `truncated_fits`: ends before what its header promises.
 * - `corrupt_tile`: a compressed tile cannot be decoded, or a checksum does not match.
 * - `unsupported_fits`, `unsupported_wcs`: valid, and not for this library (named: lookup tables, PLT, a projection).
 * - `fits_too_large`: what the header promises is beyond a limit (`FitsLimits`).
 * - `source_changed`: the file is no longer the one that was opened.
 * - `no_coverage`: nothing of what was asked for lies on the image.
 * - `incompatible_tiles`: tiles that cannot be joined into one image: units, zero points, types of pixels or frames differ.
 * - `invalid_cutout`: what was asked for cannot be (size 0, RA 361, NaN).
 */
export type SkyErrorCode =
  | 'invalid_fits'
  | 'truncated_fits'
  | 'corrupt_tile'
  | 'unsupported_fits'
  | 'unsupported_wcs'
  | 'fits_too_large'
  | 'source_changed'
  | 'no_coverage'
  | 'incompatible_tiles'
  | 'invalid_cutout';

/** Why no pixels come out. `message` is for whoever asked: it names the file, HDU, keyword or tile. */
export class SkyError extends Error {
  readonly code: SkyErrorCode;

  constructor(code: SkyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SkyError';
    this.code = code;
  }
}
