/** Photos in HEIC, as iPhones make them: decoded, put together from tiles, upright. */
import { type ProblemCode, ProblemError } from '@darkroom/contract';
import {
  AV_CODEC_ID_HEVC,
  AV_PIX_FMT_RGB24,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  type AVColorPrimaries,
  type AVColorSpace,
  type AVColorTransferCharacteristic,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { Codec, CodecParameters, Frame, Packet, Rational } from 'node-av/lib';
import { Decoder } from '../decoder.ts';
import { filtered, toRgb } from '../picture/render.ts';
import type { ByteSource, VideoLimits } from '../reader.ts';
import { type CodedPicture, type HeifPicture, readHeif, type Transform } from './heif.ts';

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** 8-bit RGB, rows from the top without padding. */
  readonly rgb: Uint8Array;
}

/**
 * The primary picture of a HEIC file as it is to be seen. HDR (PQ, HLG) and wide gamuts that it tells by
 * numbers become sRGB; colour profiles are not applied, nor is transparency. Throws ProblemError `truncated_image`,
 * `unsupported_media`, `too_many_pixels`.
 */
export function readPicture(source: ByteSource, limits: Pick<VideoLimits, 'pixels'>): RgbPicture {
  try {
    return shown(source, limits);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const code = photoCodes[error.code];
    throw code === undefined ? error : new ProblemError(code, error.message, { cause: error });
  }
}

/** What the decoder says of videos, said of photos. */
const photoCodes: Readonly<Partial<Record<ProblemCode, ProblemCode>>> = {
  damaged_video: 'truncated_image',
  unsupported_video: 'unsupported_media',
};

function shown(source: ByteSource, { pixels }: Pick<VideoLimits, 'pixels'>): RgbPicture {
  const picture = readHeif(source);
  const { width, height } = picture;
  if (width * height > pixels)
    throw new ProblemError(
      'too_many_pixels',
      `It has ${width} × ${height} pixels; at most ${pixels} are decoded here.`,
    );
  const tiles = decode(picture.tiles, pixels);
  try {
    if (picture.colour !== undefined)
      for (const tile of tiles) {
        tile.colorPrimaries = picture.colour.primaries as AVColorPrimaries;
        tile.colorTrc = picture.colour.transfer as AVColorTransferCharacteristic;
        tile.colorSpace = picture.colour.matrix as AVColorSpace;
        tile.colorRange = picture.colour.full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
      }
    return transformed(compose(tiles, picture), picture.transforms);
  } finally {
    for (const tile of tiles) tile.free();
  }
}

/** A picture that was flipped by reading its rows backwards gets rows that go forwards. */
const UNFOLDED = 'copy';

function transformed(picture: RgbPicture, transforms: readonly Transform[]): RgbPicture {
  if (transforms.length === 0) return picture;
  const { width, height, rgb } = picture;
  const bytes = Buffer.from(rgb.buffer, rgb.byteOffset, rgb.length);
  const whole = Frame.fromVideoBuffer(bytes, {
    width,
    height,
    format: AV_PIX_FMT_RGB24,
    timeBase: { num: 1, den: 1 },
  });
  const shown = filtered(whole, [...transforms.flatMap(filtersOf), UNFOLDED]);
  whole.free();
  try {
    const turned = {
      width: shown.width,
      height: shown.height,
      rgb: Buffer.alloc(3 * shown.width * shown.height),
    };
    place(shown, turned, 0, 0);
    return turned;
  } finally {
    shown.free();
  }
}

function filtersOf(transform: Transform): string[] {
  switch (transform.kind) {
    case 'crop':
      return [`crop=${transform.width}:${transform.height}:${transform.left}:${transform.top}:exact=1`];
    case 'turn':
      return [['transpose=cclock'], ['hflip', 'vflip'], ['transpose=clock']][transform.quarters - 1] ?? [];
    case 'mirror':
      return [transform.exchanged === 'left and right' ? 'hflip' : 'vflip'];
  }
}

/** All at once, so that the decoder's threads share the tiles; in their order. */
function decode(coded: readonly CodedPicture[], pixels: number): Frame[] {
  const codec = Codec.findDecoder(AV_CODEC_ID_HEVC);
  if (codec === null) throw new Error('This FFmpeg has no HEVC decoder.');
  const [first] = coded;
  if (first === undefined) throw new ProblemError('truncated_image', 'The picture has no tiles.');
  if (coded.some(({ config }) => Buffer.compare(config, first.config) !== 0))
    throw new ProblemError('unsupported_media', 'Tiles that are coded in different ways are not read here.');
  const codecpar = new CodecParameters();
  codecpar.alloc();
  codecpar.codecType = AVMEDIA_TYPE_VIDEO;
  codecpar.codecId = AV_CODEC_ID_HEVC;
  codecpar.extradata = Buffer.from(first.config);
  const decoder = new Decoder(codec, { codecpar, timeBase: new Rational(1, 1) }, { pixels });
  const packet = new Packet();
  packet.alloc();
  const frames = new Map<number, Frame>();
  const receive = () => {
    for (;;) {
      const frame = new Frame();
      frame.alloc();
      const got = decoder.receive(frame);
      if (got === 'frame') frames.set(Number(frame.pts), frame);
      else frame.free();
      if (got === 'none') return;
    }
  };
  try {
    for (const [n, { bytes }] of coded.entries()) {
      packet.data = Buffer.from(bytes);
      packet.pts = packet.dts = BigInt(n);
      packet.isKeyframe = true;
      decoder.send(packet);
      packet.unref();
      receive();
    }
    decoder.send(null);
    receive();
  } finally {
    packet.free();
    decoder.close();
    codecpar.free();
  }
  return coded.map((_, n) => {
    const frame = frames.get(n);
    if (frame === undefined)
      throw new ProblemError('truncated_image', `Part ${n + 1} of the picture cannot be decoded.`);
    return frame;
  });
}

/** Tiles side by side, cut to the size of the picture. */
function compose(tiles: readonly Frame[], { columns, width, height }: HeifPicture): RgbPicture {
  const whole: RgbPicture = { width, height, rgb: Buffer.alloc(3 * width * height) };
  const { width: across, height: down } = tiles[0]!;
  if (across * columns < width || (down * tiles.length) / columns < height)
    throw new ProblemError('truncated_image', 'The parts of the picture do not fill it.');
  for (const [n, tile] of tiles.entries()) {
    if (tile.width !== across || tile.height !== down)
      throw new ProblemError('truncated_image', 'The tiles of the picture do not fit together.');
    const rgb = toRgb(tile);
    try {
      place(rgb, whole, (n % columns) * across, Math.floor(n / columns) * down);
    } finally {
      rgb.free();
    }
  }
  return whole;
}

/** Copies an RGB frame into a picture, with its corner at `left` and `top`; what reaches out is left away. */
function place(frame: Frame, { width, height, rgb }: RgbPicture, left: number, top: number): void {
  const [pixels] = frame.data ?? [];
  const [stride = 0] = frame.linesize;
  if (pixels === undefined) throw new Error('A picture has pixels.');
  const bytes = 3 * Math.min(frame.width, width - left);
  for (let y = 0; y < Math.min(frame.height, height - top); y++)
    rgb.set(pixels.subarray(y * stride, y * stride + bytes), 3 * ((top + y) * width + left));
}
