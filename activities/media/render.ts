/** Frames → pictures as shown: deinterlaced, tone-mapped, square pixels, upright; then JPEG or PNG. The same frame gives the same bytes. */
import {
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_QSCALE,
  AV_FRAME_FLAG_INTERLACED,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_PRI_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_TRC_UNSPECIFIED,
  type AVPixelFormat,
  FF_ENCODER_MJPEG,
  FF_ENCODER_PNG,
  FF_QP2LAMBDA,
  type FFEncoderCodec,
} from 'node-av/constants';
import {
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
  return filtered(frame, [
    ...(frame.hasFlags(AV_FRAME_FLAG_INTERLACED) ? ['estdif=mode=frame:deint=interlaced'] : []),
    ...(isHdr(frame.colorTrc) ? toneMapping : []),
    `scale=${lying.width}:${lying.height}:${SCALING}:out_color_matrix=smpte170m:out_range=full`,
    'format=yuv420p',
    ...orientation.filters,
  ]);
}

/** Linear light at 100 nits for white, the highlights rolled off, BT.709 colours. */
const toneMapping = [
  'zscale=transfer=linear:npl=100',
  'format=gbrpf32le',
  'zscale=primaries=bt709',
  'tonemap=mobius:desat=0',
  'zscale=transfer=bt709:matrix=bt709:range=tv:dither=none',
  'format=yuv420p',
];

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

function filtered(source: Frame, filters: readonly string[]): Frame {
  const input = new Frame();
  input.alloc();
  const graph = new FilterGraph();
  graph.alloc();
  const output = new Frame();
  output.alloc();
  try {
    FFmpegError.throwIfError(input.ref(source), 'referring to a frame');
    const colours = coloursOf({
      width: source.width,
      height: source.height,
      colorSpace: source.colorSpace,
      colorRange: source.colorRange,
      pixelFormat: avGetPixFmtName(source.format as AVPixelFormat) ?? '',
    });
    input.colorSpace = colours.space;
    input.colorRange = colours.range;
    input.sampleAspectRatio = new Rational(1, 1);
    input.pts = 0n;
    const { width, height, format } = input;
    const source_ = `buffer@in=video_size=${width}x${height}:pix_fmt=${format}:time_base=1/25:pixel_aspect=1/1:colorspace=${colours.space}:range=${colours.range}`;
    FFmpegError.throwIfError(graph.parse2([source_, ...filters, 'buffersink@out'].join(',')), 'filters');
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
