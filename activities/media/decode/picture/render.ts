/** Frames → pictures as shown: deinterlaced, tone-mapped, square pixels, upright; then JPEG or PNG. The same frame gives the same bytes. */
import {
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_QSCALE,
  AV_FRAME_FLAG_INTERLACED,
  AV_FRAME_FLAG_TOP_FIELD_FIRST,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_PRI_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_RGB,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_SMPTE240M,
  AVCOL_TRC_UNSPECIFIED,
  type AVPixelFormat,
  FF_ENCODER_MJPEG,
  FF_ENCODER_PNG,
  FF_QP2LAMBDA,
  type FFEncoderCodec,
} from 'node-av/constants';
import { Codec, CodecContext, FilterGraph, Frame, Packet, Rational } from 'node-av/lib';
import { formatName, requireMade } from '../refusal.ts';
import { coloursOf, isHdr, type Translation, translationOf } from './colour.ts';
import { isCombed } from './combs.ts';
import type { Orientation, Size } from './geometry.ts';
import { refer } from './reference.ts';

/** Of the JPEG encoder: 2 is the best, 31 the worst. */
const JPEG_QUALITY = 3;
const SCALING = 'flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact';

/** The picture as shown, of `size`: 8-bit 4:2:0, full range, BT.601, as JPEG has it. The caller frees it. */
export function setUpright(frame: Frame, size: Size, orientation: Orientation): Frame {
  const lying = orientation.turned ? { width: size.height, height: size.width } : size;
  const stretched = lying.width !== frame.width || lying.height !== frame.height;
  return filtered(frame, [
    ...deinterlacing(frame),
    ...recoloured(frame),
    ...(stretched ? [`scale=${lying.width}:${lying.height}:${SCALING}`] : []),
    ...orientation.filters,
  ]);
}

/** From one field, along edges: filters that look at the frames beside it have none here. Only where the two fields show two moments. */
function deinterlacing(frame: Frame): string[] {
  if (!frame.hasFlags(AV_FRAME_FLAG_INTERLACED) || !isCombed(frame)) return [];
  return [
    `estdif=mode=frame:deint=all:parity=${frame.hasFlags(AV_FRAME_FLAG_TOP_FIELD_FIRST) ? 'tff' : 'bff'}`,
  ];
}

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
const FINE = 'flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact';

/** Filters to the colours of JPEG: sRGB as BT.601, full range, 8-bit 4:2:0. */
function recoloured(frame: Frame): string[] {
  const before = readable(frame);
  const space = before.length > 0 ? AVCOL_SPC_BT709 : coloursOf(frame).space;
  const from = quick[space];
  const even = frame.width % 2 === 0 && frame.height % 2 === 0;
  if (from !== undefined && even && quickFormats.test(formatName(frame)))
    return [
      ...before,
      `colorspace=iall=bt709:ispace=${from}:all=bt709:space=smpte170m:range=pc:format=yuv420p:fast=1`,
    ];
  return [...before, `scale=${FINE}:out_color_matrix=smpte170m:out_range=full`, 'format=yuv420p'];
}

/** Filters to BT.709, where a frame is not of SDR that the scaler reads. */
function readable(frame: Frame): string[] {
  const translation = translationOf(frame);
  const toned = isHdr(frame.colorTrc) || translation?.transfer === 'smpte2084' ? [TONE_MAPPING] : [];
  return [...(translation === undefined ? [] : translated(frame, translation)), ...toned];
}

/** To BT.709 from what the scaler does not read; HDR only to BT.2020, as it is told by its own name then. Whole chroma, so that odd sizes pass. */
function translated(frame: Frame, { matrix, transfer, primaries }: Translation): string[] {
  const { space, range } = coloursOf(frame);
  const limits = range === AVCOL_RANGE_JPEG ? 'full' : 'limited';
  const light = `tin=${transfer}:pin=${primaries}`;
  const hdr = transfer === 'smpte2084' || transfer === 'arib-std-b67';
  const out = `${hdr ? 'm=2020_ncl:p=2020' : 'm=709:p=709'}:t=${transfer}:r=limited`;
  return [
    `scale=${FINE}${space === AVCOL_SPC_RGB ? ':out_color_matrix=bt709:out_range=full' : ''}`,
    'format=yuv444p12',
    ...(matrix === '2020_cl' || matrix === 'chroma-derived-c'
      ? [
          `zscale=min=${matrix}:${light}:rin=${limits}:m=gbr:p=${primaries}:t=709:r=full`,
          'format=gbrp12',
          `lutrgb=r=${CAMERA}:g=${CAMERA}:b=${CAMERA}`,
          `zscale=min=gbr:${light}:rin=full:${out}`,
        ]
      : [`zscale=min=${matrix}:${light}:rin=${limits}:${out}`]),
    'format=yuv444p12',
  ];
}

/** Of constant luminance `zscale` makes light by a camera's curve, and then values by a screen's: they become a camera's again (BT.709). */
const CAMERA =
  "'maxval*if(lt(pow(val/maxval\\,2.4)\\,0.018)\\,4.5*pow(val/maxval\\,2.4)\\,1.099*pow(val/maxval\\,1.08)-0.099)'";

/** Scaled to `size` and made RGB. The caller frees it. */
export function scaleToRgb(frame: Frame, size: Size): Frame {
  return filtered(frame, [`scale=${size.width}:${size.height}:${SCALING}`, 'format=rgb24']);
}

/** The same in size, as RGB of sRGB. The caller frees it. */
export function toRgb(frame: Frame): Frame {
  const before = readable(frame);
  return before.length === 0
    ? scaleToRgb(frame, frame)
    : filtered(frame, [...before, `scale=${SCALING}`, 'format=rgb24']);
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

/** `source` through FFmpeg filters, which give out one frame. The caller frees it. Throws ProblemError where FFmpeg refuses it. */
export function filtered(source: Frame, filters: readonly string[]): Frame {
  const input = new Frame();
  input.alloc();
  const graph = new FilterGraph();
  graph.alloc();
  const output = new Frame();
  output.alloc();
  const made = (code: number) => requireMade(code, filters.join(), source);
  try {
    refer(input, source, coloursOf(source));
    const { width, height, format, colorSpace, colorRange } = input;
    const start = `buffer@in=video_size=${width}x${height}:pix_fmt=${format}:time_base=1/25:pixel_aspect=1/1:colorspace=${colorSpace}:range=${colorRange}`;
    made(graph.parse2([start, ...filters, 'buffersink@out'].join(',')));
    made(graph.configSync());
    const from = graph.getFilter('buffer@in');
    const to = graph.getFilter('buffersink@out');
    if (from === null || to === null) throw new Error('The filter graph lost its ends.');
    made(from.buffersrcAddFrameSync(input));
    made(from.buffersrcAddFrameSync(null));
    made(to.buffersinkGetFrameSync(output));
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
    const made = (code: number) => requireMade(code, `encoding ${name}`, frame);
    made(context.open2Sync(codec));
    made(context.sendFrameSync(frame));
    context.sendFrameSync(null);
    made(context.receivePacketSync(packet));
    return Buffer.from(packet.data ?? Buffer.alloc(0));
  } finally {
    packet.free();
    context.freeContext();
  }
}
