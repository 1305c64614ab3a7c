/** Encodes and muxes pictures with FFmpeg's own encoders, synchronously. */
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_CODEC_FLAG_INTERLACED_DCT,
  AV_CODEC_FLAG_INTERLACED_ME,
  AV_CODEC_FLAG_QSCALE,
  AV_FRAME_FLAG_INTERLACED,
  AV_FRAME_FLAG_TOP_FIELD_FIRST,
  AV_LOG_ERROR,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_STRING,
  AV_PIX_FMT_YUV420P,
  AV_PKT_DATA_DISPLAYMATRIX,
  type AVColorPrimaries,
  type AVColorRange,
  type AVColorSpace,
  type AVColorTransferCharacteristic,
  AVFMT_GLOBALHEADER,
  FF_QP2LAMBDA,
  type FFEncoderCodec,
  SWS_BILINEAR,
} from 'node-av/constants';
import {
  avGetPixFmtFromName,
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  Frame,
  Log,
  Packet,
  Rational,
  SoftwareScaleContext,
} from 'node-av/lib';
import type { Planes } from './planes.ts';

export interface Encoding {
  readonly width?: number;
  readonly height?: number;
  /** Frames per second; 25 unless said. */
  readonly rate?: { readonly num: number; readonly den: number };
  /** Seconds of each frame, ascending, and then the end of the last: a variable frame rate. */
  readonly times?: readonly number[];
  readonly codec?: FilmCodec;
  /** FFmpeg's name; yuv420p unless said. */
  readonly pixelFormat?: string;
  /** Frames between key frames; 50 unless said. With `scenecut` also where the picture changes. */
  readonly gop?: number;
  readonly scenecut?: boolean;
  /** In a row; 2 unless said, where the codec has them. */
  readonly bFrames?: number;
  /** Frames before a key frame may refer to it. */
  readonly openGop?: boolean;
  /** Degrees clockwise that players turn the picture. */
  readonly rotation?: 0 | 90 | 180 | 270;
  /** Tags of the container, as `timecode`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Shape of a pixel. */
  readonly sampleAspect?: { readonly num: number; readonly den: number };
  readonly colour?: {
    readonly primaries?: AVColorPrimaries;
    readonly transfer?: AVColorTransferCharacteristic;
    readonly space?: AVColorSpace;
    readonly range?: AVColorRange;
  };
  /** Two moments in a frame, top field first. */
  readonly interlaced?: boolean;
  /** Further options of the encoder, by FFmpeg's names. */
  readonly encoder?: Readonly<Record<string, string>>;
  readonly muxer?: Readonly<Record<string, string>>;
}

export type FilmCodec =
  | 'libx264'
  | 'libx265'
  | 'libvpx-vp9'
  | 'libsvtav1'
  | 'mpeg4'
  | 'mpeg2video'
  | 'prores_ks'
  | 'mjpeg'
  | 'ffv1';

export interface Encoder {
  add(picture: Planes): void;
  /** Closes the file; seconds of each frame as they were encoded. */
  finish(): number[];
}

/** Ticks a second where times are given one by one; the most that MPEG-4 takes with 29.97 exact. */
const TICKS = 60_000;

/** Opens a file to which `total` pictures are added. */
export function openEncoder(
  path: string,
  options: Encoding & { readonly width: number; readonly height: number },
  total: number,
): Encoder {
  Log.setLevel(AV_LOG_ERROR);
  // The AV1 encoder has a log of its own; 1: errors.
  process.env.SVT_LOG ??= '1';
  const { width, height, times } = options;
  if (times !== undefined && times.length !== total + 1)
    throw new RangeError(
      `${total} frames need ${total + 1} times, the last being the end; given: ${times.length}`,
    );
  const rate = options.rate ?? { num: 25, den: 1 };
  const timeBase = times === undefined ? new Rational(rate.den, rate.num) : new Rational(1, TICKS);
  const tick = (n: number) => (times === undefined ? n : Math.round(times[n]! * TICKS));

  const name = options.codec ?? 'libx264';
  const codec = Codec.findEncoderByName(name as FFEncoderCodec);
  if (codec === null) throw new Error(`this FFmpeg cannot encode ${name}`);
  const format = avGetPixFmtFromName(options.pixelFormat ?? 'yuv420p');
  const output = new FormatContext();
  FFmpegError.throwIfError(output.allocOutputContext2(null, null, path), path);

  const context = new CodecContext();
  context.allocContext3(codec);
  Object.assign(context, { width, height, timeBase, pixelFormat: format, threadCount: 2 });
  context.framerate = new Rational(rate.num, rate.den);
  context.gopSize = options.gop ?? 50;
  if (
    name !== 'libsvtav1' &&
    name !== 'mjpeg' &&
    name !== 'prores_ks' &&
    name !== 'ffv1' &&
    name !== 'libvpx-vp9'
  )
    context.maxBFrames = options.bFrames ?? 2;
  if (options.sampleAspect !== undefined)
    context.sampleAspectRatio = new Rational(options.sampleAspect.num, options.sampleAspect.den);
  const { primaries, transfer, space, range } = options.colour ?? {};
  if (primaries !== undefined) context.colorPrimaries = primaries;
  if (transfer !== undefined) context.colorTrc = transfer;
  if (space !== undefined) context.colorSpace = space;
  if (range !== undefined) context.colorRange = range;
  if (output.oformat?.hasFlags(AVFMT_GLOBALHEADER) === true) context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  if (options.interlaced === true)
    context.setFlags(AV_CODEC_FLAG_INTERLACED_DCT, AV_CODEC_FLAG_INTERLACED_ME);
  if (name === 'mpeg4' || name === 'mpeg2video' || name === 'mjpeg') {
    context.setFlags(AV_CODEC_FLAG_QSCALE);
    context.globalQuality = FF_QP2LAMBDA * 3;
  }
  set(context, { ...preset(name, options), ...options.encoder });
  FFmpegError.throwIfError(context.open2Sync(codec), `open ${name}`);

  const stream = output.newStream();
  stream.codecpar.fromContext(context);
  stream.timeBase = timeBase;
  stream.avgFrameRate = new Rational(rate.num, rate.den);
  if (options.sampleAspect !== undefined) stream.sampleAspectRatio = context.sampleAspectRatio;
  if (options.rotation !== undefined)
    stream.codecpar.addCodedSideData(AV_PKT_DATA_DISPLAYMATRIX, displayMatrix(options.rotation));
  FFmpegError.throwIfError(output.openOutputSync(), path);
  if (options.metadata !== undefined) output.metadata = Dictionary.fromObject({ ...options.metadata });
  set(output, { ...options.muxer });
  FFmpegError.throwIfError(output.writeHeaderSync(), path);

  const packet = new Packet();
  packet.alloc();
  const lengths = new Map<number, number>();
  const drain = () => {
    while (context.receivePacketSync(packet) >= 0) {
      packet.streamIndex = stream.index;
      packet.duration = BigInt(lengths.get(Number(packet.pts)) ?? 0);
      lengths.delete(Number(packet.pts));
      packet.rescaleTs(timeBase, stream.timeBase);
      FFmpegError.throwIfError(output.interleavedWriteFrameSync(packet), `write ${path}`);
    }
  };
  const converter = format === AV_PIX_FMT_YUV420P ? undefined : new SoftwareScaleContext();
  converter?.getContext(width, height, AV_PIX_FMT_YUV420P, width, height, format, SWS_BILINEAR);
  let count = 0;
  return {
    add(picture) {
      const pts = tick(count);
      const length = (times === undefined ? pts + 1 : tick(count + 1)) - pts;
      lengths.set(pts, length);
      count++;
      const plain = { width, height, format: AV_PIX_FMT_YUV420P, timeBase };
      using drawn = Frame.fromVideoBuffer(picture.data, plain);
      using converted = converter === undefined ? undefined : new Frame();
      if (converter !== undefined && converted !== undefined) {
        converted.alloc();
        Object.assign(converted, { width, height, format });
        FFmpegError.throwIfError(converted.getBuffer(), 'frame');
        FFmpegError.throwIfError(converter.scaleFrameSync(converted, drawn), 'convert');
      }
      const frame = converted ?? drawn;
      frame.pts = BigInt(pts);
      frame.duration = BigInt(length);
      frame.sampleAspectRatio = context.sampleAspectRatio;
      frame.colorRange = context.colorRange;
      frame.colorPrimaries = context.colorPrimaries;
      frame.colorTrc = context.colorTrc;
      frame.colorSpace = context.colorSpace;
      frame.quality = context.globalQuality;
      if (options.interlaced === true)
        frame.setFlags(AV_FRAME_FLAG_INTERLACED, AV_FRAME_FLAG_TOP_FIELD_FIRST);
      FFmpegError.throwIfError(context.sendFrameSync(frame), `encode ${name}`);
      drain();
    },
    finish() {
      context.sendFrameSync(null);
      drain();
      FFmpegError.throwIfError(output.writeTrailerSync(), `finish ${path}`);
      output.closeOutputSync();
      output.freeContext();
      context.freeContext();
      packet.free();
      converter?.freeContext();
      return Array.from({ length: count }, (_, n) => (tick(n) * timeBase.num) / timeBase.den);
    },
  };
}

/** One by one: what `open2Sync` leaves of a Dictionary is freed twice (node-av 6.1.1). */
function set(target: CodecContext | FormatContext, settings: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(settings))
    FFmpegError.throwIfError(
      target.setOption(name, value, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN),
      `option ${name}=${value}`,
    );
}

/** Fast settings, key frames where the caller wants them. */
function preset(name: FilmCodec, options: Encoding): Record<string, string> {
  const gop = options.gop ?? 50;
  const cuts = options.scenecut === true;
  const open = options.openGop === true ? 1 : 0;
  switch (name) {
    case 'libx264':
      return {
        preset: 'superfast',
        crf: '22',
        'x264-params': `scenecut=${cuts ? 40 : 0}:open-gop=${open}:min-keyint=${cuts ? 1 : gop}`,
      };
    case 'libx265': {
      const keys = `keyint=${gop}:min-keyint=${cuts ? 1 : gop}:scenecut=${cuts ? 40 : 0}:open-gop=${open}`;
      return {
        preset: 'ultrafast',
        crf: '24',
        'x265-params': `log-level=none:pools=none:frame-threads=1:${keys}`,
      };
    }
    case 'libvpx-vp9':
      return {
        deadline: 'realtime',
        'cpu-used': '8',
        crf: '32',
        b: '0',
        'row-mt': '1',
        ...(cuts ? {} : { keyint_min: `${gop}` }),
      };
    case 'libsvtav1':
      return { preset: '12', crf: '35', 'svtav1-params': `scd=${cuts ? 1 : 0}:lp=2` };
    case 'mpeg4':
    case 'mpeg2video':
      return cuts ? {} : { sc_threshold: '1000000000' };
    case 'mjpeg':
      return { strict: 'unofficial' };
    case 'prores_ks':
    case 'ffv1':
      return {};
  }
}

/** Nine numbers, 16.16 fixed point but the last column's 2.30, that turn the picture clockwise when shown. */
function displayMatrix(rotation: 0 | 90 | 180 | 270): Buffer {
  const cos = Math.round(Math.cos((rotation * Math.PI) / 180)) * 65_536;
  const sin = Math.round(Math.sin((rotation * Math.PI) / 180)) * 65_536;
  const matrix = Buffer.alloc(36);
  for (const [n, value] of [cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30].entries())
    matrix.writeInt32LE(value, 4 * n);
  return matrix;
}
