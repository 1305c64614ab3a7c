/** What it means to a user that FFmpeg does not take a picture, which is never a fault of ours to be tried again. */
import { ProblemError } from '@darkroom/contract';
import { AVERROR_ENOMEM, type AVPixelFormat } from 'node-av/constants';
import { avGetPixFmtName, FFmpegError } from 'node-av/lib';

interface Kind {
  readonly width: number;
  readonly height: number;
  readonly format: number;
}

/** FFmpeg's name of a pixel format. */
export const formatName = ({ format }: Pick<Kind, 'format'>): string =>
  avGetPixFmtName(format as AVPixelFormat) ?? '';

/** Throws ProblemError where `code` is an error of FFmpeg in `doing` something with a decoded picture: `memory_limit`, `unsupported_video`. */
export function requireMade(code: number, doing: string, picture: Kind): void {
  if (code >= 0) return;
  requireMemory(code);
  throw new ProblemError(
    'unsupported_video',
    `A picture of ${picture.width} × ${picture.height} ${formatName(picture)} cannot be worked on here: ${doing} (${FFmpegError.strerror(code)}).`,
  );
}

/** Throws ProblemError `memory_limit` where that is what an error of FFmpeg says. */
export function requireMemory(code: number): void {
  if (code === AVERROR_ENOMEM) throw new ProblemError('memory_limit', 'The decoder got no more memory.');
}
