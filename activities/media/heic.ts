/** Photos in HEIC (ISO/IEC 23008-12 with HEVC), as iPhones make them. */
import { ProblemError } from '@darkroom/contract';
import type { ByteSource, VideoLimits } from './reader.ts';

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** 8-bit RGB, rows from the top without padding. */
  readonly rgb: Uint8Array;
}

export function readPicture(_source: ByteSource, _limits: Pick<VideoLimits, 'pixels'>): RgbPicture {
  throw new ProblemError('heic_unsupported', 'HEIC pictures are not read here yet.');
}
