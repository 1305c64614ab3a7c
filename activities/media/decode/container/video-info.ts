/** What a container says of its video, and the limits held against it. */
import { ProblemError, type VideoInfo } from '@darkroom/contract';
import { rounded } from '@darkroom/platform/rounded.ts';
import { AV_NOPTS_VALUE, AV_PKT_DATA_DISPLAYMATRIX } from 'node-av/constants';
import type { Stream } from 'node-av/lib';
import { isHdr } from '../picture/colour.ts';
import { orientationOf, shownSize, upright } from '../picture/geometry.ts';
import { aspectOfField, requirePixels, type Showing } from '../picture/kept-frame.ts';
import type { ByteSource, VideoLimits } from '../reader.ts';
import { formatName } from '../refusal.ts';
import type { Container } from './container.ts';
import { codesFields } from './scanning.ts';

/** `end` is where the video ends, seconds, if it was looked for; null where what the file says of that is not to be believed. */
export function describe(
  container: Container,
  source: ByteSource,
  interlaced: boolean,
  end: number | undefined | null,
): VideoInfo {
  const { stream, format } = container;
  const { codecpar } = stream;
  const { orientation = upright, aspect, fields } = showingOf(stream);
  const coded = { width: codecpar.width, height: codecpar.height };
  return {
    container: containerName(format.iformat?.name ?? '', source),
    codec: codecName(container),
    pixelFormat: formatName(codecpar) || 'unknown',
    ...shownSize(coded, interlaced && fields ? aspectOfField(aspect) : aspect, orientation),
    rotation: orientation.rotation,
    seconds: known(end === undefined ? length(container) : end),
    framesPerSecond: known(rate(stream)),
    interlaced,
    hdr: isHdr(codecpar.colorTrc),
    videoStreams: container.videoStreams,
  };
}

/** Throws ProblemError `damaged_video`, `too_many_pixels`, `video_too_long`. */
export function requireWithin(
  info: VideoInfo,
  stream: Stream,
  limits: VideoLimits,
  lengthIsSure: boolean,
): void {
  const { width, height } = stream.codecpar;
  if (width < 1 || height < 1)
    throw new ProblemError('damaged_video', 'It does not tell the size of its pictures.');
  requirePixels({ width, height }, limits);
  requirePixels(info, limits);
  if (info.seconds !== null && lengthIsSure) requireLength(info.seconds, limits);
}

export function requireLength(seconds: number, limits: VideoLimits): void {
  if (seconds > limits.seconds)
    throw new ProblemError(
      'video_too_long',
      `It lasts ${Math.round(seconds)} s or more; at most ${limits.seconds} s are analysed here.`,
    );
}

/** How the frames of a stream are to be shown. */
export function showingOf(stream: Stream): Showing {
  const matrix = stream.codecpar.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX);
  return {
    orientation: matrix === null ? undefined : orientationOf(matrix),
    aspect: aspectOf(stream),
    codedAspect: ratio(stream.codecpar.sampleAspectRatio),
    fields: codesFields(stream.codecpar),
  };
}

/** Width of a pixel by its height; the container wins over the codec, as players have it. */
function aspectOf(stream: Stream): number {
  const told = ratio(stream.sampleAspectRatio);
  return told > 0 ? told : ratio(stream.codecpar.sampleAspectRatio);
}

const ratio = ({ num, den }: { num: number; den: number }) => (den === 0 ? 0 : num / den);

function containerName(demuxer: string, source: ByteSource): string {
  const head = Buffer.from(source.read(0, Math.min(source.size, 64))).toString('latin1');
  if (demuxer.startsWith('mov'))
    return head.slice(4, 12) === 'ftypqt  ' || head.slice(4, 8) !== 'ftyp' ? 'mov' : 'mp4';
  if (demuxer.startsWith('matroska')) return head.includes('webm') ? 'webm' : 'mkv';
  return demuxer;
}

const codecName = ({ decoder }: Container) =>
  decoder.name === 'libdav1d' ? 'av1' : (decoder.name ?? 'unknown');

/** To a millionth: seconds and rates are quotients, which no file states more exactly. */
const known = (value: number | null): number | null => (value === null ? null : rounded(value, 6));

/** Seconds from the start of the container to the end of the video. */
function length({ stream, format, start, unit }: Container): number | null {
  const offset = stream.startTime === AV_NOPTS_VALUE ? 0 : Number(stream.startTime) * unit - start;
  const told =
    stream.duration === AV_NOPTS_VALUE || stream.duration <= 0n
      ? Number(format.duration) / 1e6
      : offset + Number(stream.duration) * unit;
  return format.duration === AV_NOPTS_VALUE && stream.duration === AV_NOPTS_VALUE
    ? null
    : told > 0 && Number.isFinite(told)
      ? told
      : null;
}

function rate(stream: Stream): number | null {
  const average = ratio(stream.avgFrameRate);
  const frames = average > 0 ? average : ratio(stream.rFrameRate);
  return frames > 0 && Number.isFinite(frames) ? frames : null;
}
