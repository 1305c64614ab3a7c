/** Frames → pictures as shown: deinterlaced, tone-mapped, square pixels, upright; then JPEG or PNG. The same frame gives the same bytes. */
import {
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_QSCALE,
  AV_FRAME_FLAG_INTERLACED,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_PRI_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_SMPTE240M,
  AVCOL_TRC_UNSPECIFIED,
  type AVColorSpace,
  type AVPixelFormat,
  FF_ENCODER_MJPEG,
  FF_ENCODER_PNG,
  FF_QP2LAMBDA,
  type FFEncoderCodec,
} from 'node-av/constants';
import {
  avGetPixFmtFromName,
  avGetPixFmtName,
  Codec,
  CodecContext,
  FFmpegError,
  FilterGraph,
  Frame,
  Packet,
  Rational,
} from 'node-av/lib';
import { coloursOf } from './colour.ts';
import type { Orientation, Size } from './geometry.ts';
import { isHdr } from './video-info.ts';

/** Of the JPEG encoder: 2 is the best, 31 the worst. */
const JPEG_QUALITY = 3;
const SCALING = 'flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact';

/** The picture as shown, of `size`: 8-bit 4:2:0, full range, BT.601, as JPEG has it. The caller frees it. */
export function setUpright(frame: Frame, size: Size, orientation: Orientation): Frame {
  const lying = orientation.turned ? { width: size.height, height: size.width } : size;
  const stretched = lying.width !== frame.width || lying.height !== frame.height;
  const { space } = coloursOf(colourOf(frame));
  const hdr = isHdr(frame.colorTrc);
  return filtered(frame, [
    ...(frame.hasFlags(AV_FRAME_FLAG_INTERLACED) ? [DEINTERLACING] : []),
    ...(hdr ? [TONE_MAPPING] : []),
    ...recoloured(hdr ? AVCOL_SPC_BT709 : space, frame),
    ...(stretched ? [`scale=${lying.width}:${lying.height}:${SCALING}`] : []),
    ...orientation.filters,
  ]);
}

/** From one field, along edges; filters that look at the frames beside it have none here. */
const DEINTERLACING = 'estdif=mode=frame:deint=interlaced';
/** To BT.709: up to half of diffuse white as it is, above that rolled off, 1000 nits or more become white. */
const TONE_MAPPING = 'tonemapx=tonemap=mobius:desat=0:t=bt709:m=bt709:p=bt709:r=tv:format=yuv420p';

/** Matrices that the `colorspace` filter knows; for even sizes it does in a fifteenth of the time what `scale` does. */
const quick: Readonly<Record<number, string>> = {
  [AVCOL_SPC_BT709]: 'bt709',
  [AVCOL_SPC_BT470BG]: 'bt470bg',
  [AVCOL_SPC_SMPTE170M]: 'smpte170m',
  [AVCOL_SPC_SMPTE240M]: 'smpte240m',
  [AVCOL_SPC_BT2020_NCL]: 'bt2020nc',
};
const quickFormats = /^yuvj?4(20|22|44)p(10le|12le)?$/;

/** Filters to the colours of JPEG: BT.601, full range, 8-bit 4:2:0. */
function recoloured(space: AVColorSpace, frame: Frame): string[] {
  const from = quick[space];
  const even = frame.width % 2 === 0 && frame.height % 2 === 0;
  if (from !== undefined && even && quickFormats.test(formatName(frame)))
    return [`colorspace=iall=bt709:ispace=${from}:all=bt709:space=smpte170m:range=pc:format=yuv420p:fast=1`];
  return [
    `scale=flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:out_color_matrix=smpte170m:out_range=full`,
    'format=yuv420p',
  ];
}

/** Scaled to `size` and made RGB. The caller frees it. */
export function scaleToRgb(frame: Frame, size: Size): Frame {
  return filtered(frame, [`scale=${size.width}:${size.height}:${SCALING}`, 'format=rgb24']);
}

/** A picture of `setUpright` as JPEG. */
export function encodeJpeg(frame: Frame): Buffer {
  return encoded(FF_ENCODER_MJPEG, AV_PIX_FMT_YUVJ420P, frame, (context) => {
    context.setFlags(AV_CODEC_FLAG_QSCALE);
    frame.quality = JPEG_QUALITY * FF_QP2LAMBDA;
    context.globalQuality = frame.quality;
  });
}

/** An RGB picture as PNG. */
export function encodePng(frame: Frame): Buffer {
  return encoded(FF_ENCODER_PNG, AV_PIX_FMT_RGB24, frame, (context) => {
    context.setOption('compression_level', '3');
    context.setOption('pred', 'up');
  });
}

const formatName = (frame: Frame) => avGetPixFmtName(frame.format as AVPixelFormat) ?? '';

function colourOf(frame: Frame) {
  const { width, height, colorSpace, colorRange } = frame;
  return { width, height, colorSpace, colorRange, pixelFormat: formatName(frame) };
}

/** `source` through FFmpeg filters, which give out one frame. The caller frees it. */
export function filtered(source: Frame, filters: readonly string[]): Frame {
  const input = new Frame();
  input.alloc();
  const graph = new FilterGraph();
  graph.alloc();
  const output = new Frame();
  output.alloc();
  try {
    FFmpegError.throwIfError(input.ref(source), 'referring to a frame');
    const colours = coloursOf(colourOf(source));
    input.format = avGetPixFmtFromName(formatName(source).replace('yuvj', 'yuv'));
    input.colorSpace = colours.space;
    input.colorRange = colours.range;
    input.sampleAspectRatio = new Rational(1, 1);
    input.pts = 0n;
    const { width, height, format } = input;
    const start = `buffer@in=video_size=${width}x${height}:pix_fmt=${format}:time_base=1/25:pixel_aspect=1/1:colorspace=${colours.space}:range=${colours.range}`;
    FFmpegError.throwIfError(graph.parse2([start, ...filters, 'buffersink@out'].join(',')), 'filters');
    FFmpegError.throwIfError(graph.configSync(), 'filters');
    const from = graph.getFilter('buffer@in');
    const to = graph.getFilter('buffersink@out');
    if (from === null || to === null) throw new Error('The filter graph lost its ends.');
    FFmpegError.throwIfError(from.buffersrcAddFrameSync(input), 'filtering');
    FFmpegError.throwIfError(from.buffersrcAddFrameSync(null), 'filtering');
    FFmpegError.throwIfError(to.buffersinkGetFrameSync(output), 'filtering');
    return output;
  } catch (error) {
    output.free();
    throw error;
  } finally {
    input.free();
    graph.free();
  }
}

function encoded(
  name: FFEncoderCodec,
  format: AVPixelFormat,
  frame: Frame,
  configure: (context: CodecContext) => void,
): Buffer {
  const codec = Codec.findEncoderByName(name);
  if (codec === null) throw new Error(`This FFmpeg has no ${name} encoder.`);
  const context = new CodecContext();
  context.allocContext3(codec);
  const packet = new Packet();
  packet.alloc();
  try {
    context.width = frame.width;
    context.height = frame.height;
    context.pixelFormat = format;
    context.timeBase = new Rational(1, 25);
    context.colorRange = AVCOL_RANGE_JPEG;
    context.threadCount = 1;
    context.setFlags(AV_CODEC_FLAG_BITEXACT);
    configure(context);
    frame.colorPrimaries = AVCOL_PRI_UNSPECIFIED;
    frame.colorTrc = AVCOL_TRC_UNSPECIFIED;
    frame.sampleAspectRatio = new Rational(1, 1);
    FFmpegError.throwIfError(context.open2Sync(codec), `opening the ${name} encoder`);
    FFmpegError.throwIfError(context.sendFrameSync(frame), `encoding ${name}`);
    context.sendFrameSync(null);
    FFmpegError.throwIfError(context.receivePacketSync(packet), `encoding ${name}`);
    return Buffer.from(packet.data ?? Buffer.alloc(0));
  } finally {
    packet.free();
    context.freeContext();
  }
}
