/** Which containers and codecs are read here, and what is said of others. */
import { ProblemError } from '@darkroom/contract';
import { AV_CODEC_ID_NONE, AVERROR_EIO } from 'node-av/constants';
import { Codec, FFmpegError, type FormatContext, InputFormat, type Stream } from 'node-av/lib';
import type { ByteSource } from '../reader.ts';

/** What may be opened at all: names of FFmpeg's demuxers and decoders. */
export const DEMUXERS = ['mov', 'matroska', 'avi', 'mpegts', 'mpeg', 'flv'];
export const DECODERS = [
  'h264',
  'hevc',
  'vp8',
  'vp9',
  'libdav1d',
  'av1',
  'mpeg4',
  'prores',
  'mjpeg',
  'mpeg2video',
  'mpeg1video',
];
const READABLE =
  'MP4, MOV, MKV, WebM, AVI or TS with H.264, HEVC, VP9, VP8, AV1, MPEG-4, MPEG-2, ProRes or MJPEG';

/** Throws ProblemError `unsupported_video`. */
export function decoderOf({ codecpar }: Stream): Codec {
  const decoder = Codec.findDecoder(codecpar.codecId);
  if (decoder === null || !DECODERS.includes(decoder.name ?? ''))
    throw new ProblemError(
      'unsupported_video',
      `Its pictures are not coded in a way that is read here. Readable: ${READABLE}.`,
    );
  return decoder;
}

/** Why a container without a video stream is refused. */
export function withoutVideo({ streams }: FormatContext): ProblemError {
  if (streams.length > 0 && streams.every(({ codecpar }) => codecpar.codecId === AV_CODEC_ID_NONE))
    return new ProblemError('damaged_video', 'Its header does not tell what its streams are.');
  const count = streams.length === 1 ? '1 stream' : `${streams.length} streams`;
  return new ProblemError('no_video_stream', `It holds ${count}, none of them video.`);
}

/** What an error at opening means: a container that is read here and broken, or none of them. */
export function refusal(code: number, source: ByteSource): Error {
  if (code === AVERROR_EIO) return new Error('The source could not be read.');
  const head = source.read(0, Math.min(source.size, 4096));
  const guess = InputFormat.probe(Buffer.from(head))?.name?.split(',') ?? [];
  if (DEMUXERS.some((name) => guess.includes(name)))
    return new ProblemError('damaged_video', `Its header cannot be read (${FFmpegError.strerror(code)}).`);
  return new ProblemError('unsupported_video', `It is not a video that is read here. Readable: ${READABLE}.`);
}
