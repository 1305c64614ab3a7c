/** Whether a video is interlaced, and how its fields come. */
import {
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_MPEG4,
  AV_FRAME_FLAG_INTERLACED,
  AV_OPT_TYPE_INT,
} from 'node-av/constants';
import { CodecContext, type CodecParameters, Frame, Packet } from 'node-av/lib';
import { Decoder } from '../decoder.ts';
import type { Container } from './container.ts';

/** AV_FIELD_UNKNOWN and AV_FIELD_PROGRESSIVE (libavcodec/defs.h). */
const UNKNOWN = 0;
const PROGRESSIVE = 1;

/** As the header says; undefined where only a picture can tell. */
export function toldInterlaced({ stream: { codecpar } }: Container): boolean | undefined {
  const order = fieldOrder(codecpar);
  if (order > PROGRESSIVE) return true;
  // Of the fields of HEVC each is told as progressive.
  const silent = codesFields(codecpar)
    ? isOfFields(codecpar)
    : codecpar.codecId === AV_CODEC_ID_MPEG4 && order === UNKNOWN;
  return silent ? undefined : false;
}

/** Codec parameters do not hand it out, a context made from them does. */
function fieldOrder(codecpar: CodecParameters): number {
  const context = new CodecContext();
  context.allocContext3(null);
  try {
    context.parametersToContext(codecpar);
    return context.getOption('field_order', AV_OPT_TYPE_INT) ?? UNKNOWN;
  } finally {
    context.freeContext();
  }
}

/** HEVC has its fields as pictures of their own: each of them is flagged, and half as high as what is shown. */
export const codesFields = ({ codecId }: Pick<CodecParameters, 'codecId'>): boolean =>
  codecId === AV_CODEC_ID_HEVC;

/** Whether the source is told as interlaced and not as progressive: general_interlaced_source_flag, ITU-T H.265 §7.3.3. */
function isOfFields({ extradata }: CodecParameters): boolean {
  const flags = extradata === null ? undefined : sourceFlags(extradata);
  return flags !== undefined && (flags & 0b1100_0000) === 0b0100_0000;
}

/** The byte with the flags of the source: in hvcC (ISO/IEC 14496-15 §8.3.3.1), or in the sequence parameter set of a byte stream. */
function sourceFlags(extradata: Uint8Array): number | undefined {
  if (extradata[0] === 1) return extradata[6];
  const bytes = Buffer.from(extradata);
  const [prefix, type] = [Buffer.from([0, 0, 1]), 33];
  for (let at = bytes.indexOf(prefix); at >= 0; at = bytes.indexOf(prefix, at + 3))
    if ((((bytes[at + 3] ?? 0) >> 1) & 0x3f) === type) return unescaped(bytes.subarray(at + 3, at + 19))[8];
  return undefined;
}

/** Without the bytes that keep start codes out of a unit (ITU-T H.265 §7.4.2). */
const unescaped = (bytes: Uint8Array): Uint8Array =>
  bytes.filter((byte, n) => !(byte === 3 && n > 1 && bytes[n - 1] === 0 && bytes[n - 2] === 0));

/** Whether the first picture is flagged as interlaced. The container stands behind it afterwards. */
export function showsInterlaced(container: Container, pixels: number): boolean {
  const decoder = new Decoder(container.decoder, container.stream, { pixels, threads: 1 });
  const packet = new Packet();
  const frame = new Frame();
  packet.alloc();
  frame.alloc();
  try {
    for (let more = true; more; ) {
      more = container.read(packet) === 'packet';
      decoder.send(more ? packet : null);
      packet.unref();
      if (decoder.receive(frame) === 'frame') return frame.hasFlags(AV_FRAME_FLAG_INTERLACED);
    }
    return false;
  } finally {
    frame.free();
    packet.free();
    decoder.close();
  }
}
