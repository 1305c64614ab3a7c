import type { ByteSource } from '../../bytes/source.ts';
import { SkyError } from '../../errors.ts';
import type { FitsLimits } from '../limits.ts';
import type { FitsCache } from '../read/cache.ts';
import type { FitsImage, Hdu } from '../read/file.ts';
import type { Window } from '../read/walk.ts';

/** A tile-compressed image. */
export function compressedImage(
  _source: ByteSource,
  hdu: Hdu,
  _window: Window,
  _limits: FitsLimits,
  _cache: FitsCache,
): FitsImage {
  throw new SkyError('unsupported_fits', `${hdu.header.where} is compressed, which is not read yet.`);
}
