/** Decoded frames on their way into FFmpeg's scaler and filters, with no tag that those do not take. */
import { AV_FRAME_FLAG_INTERLACED, AV_FRAME_FLAG_TOP_FIELD_FIRST } from 'node-av/constants';
import { avGetPixFmtFromName, FFmpegError, type Frame, Rational } from 'node-av/lib';
import { formatName } from '../refusal.ts';
import type { Colours } from './colour.ts';

/**
 * Makes `to`, which refers to nothing yet, a reference to the memory of `from`: progressive, with square pixels and without a time of
 * its own. The scaler refuses to make one picture of two fields, and unusual colours in a picture whose colours it was not asked for.
 */
export function refer(to: Frame, from: Frame, { space, range, primaries, transfer }: Colours): void {
  FFmpegError.throwIfError(to.ref(from), 'referring to a frame');
  to.format = avGetPixFmtFromName(formatName(from).replace('yuvj', 'yuv'));
  to.clearFlags(AV_FRAME_FLAG_INTERLACED, AV_FRAME_FLAG_TOP_FIELD_FIRST);
  to.colorSpace = space;
  to.colorRange = range;
  to.colorPrimaries = primaries;
  to.colorTrc = transfer;
  to.sampleAspectRatio = new Rational(1, 1);
  to.pts = 0n;
}
