/** A file with sound and no pictures. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AV_CODEC_FLAG_GLOBAL_HEADER, AV_SAMPLE_FMT_FLTP } from 'node-av/constants';
import {
  avChannelLayoutDefault,
  Codec,
  CodecContext,
  FFmpegError,
  FormatContext,
  Frame,
  Packet,
  Rational,
} from 'node-av/lib';

const rate = 44_100;
/** Samples of a frame of AAC. */
const frameSamples = 1024;

/** MPEG-4 with some frames of silence in AAC, and nothing to see. */
export function makeSound(frames = 20): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'darkroom-sound-'));
  try {
    const path = join(folder, 'sound.mp4');
    encode(path, frames);
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function encode(path: string, frames: number): void {
  const codec = Codec.findEncoderByName('aac' as never);
  if (codec === null) throw new Error('This FFmpeg has no AAC.');
  const context = new CodecContext();
  context.allocContext3(codec);
  const layout = avChannelLayoutDefault(1);
  Object.assign(context, {
    sampleRate: rate,
    sampleFormat: AV_SAMPLE_FMT_FLTP,
    channelLayout: layout,
    timeBase: new Rational(1, rate),
  });
  context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
  FFmpegError.throwIfError(context.open2Sync(codec), 'open aac');
  const output = new FormatContext();
  output.allocOutputContext2(null, null, path);
  const stream = output.newStream();
  stream.codecpar.fromContext(context);
  stream.timeBase = context.timeBase;
  FFmpegError.throwIfError(output.openOutputSync(), path);
  FFmpegError.throwIfError(output.writeHeaderSync(), path);
  const packet = new Packet();
  packet.alloc();
  const drain = (): void => {
    while (context.receivePacketSync(packet) >= 0) {
      packet.streamIndex = stream.index;
      packet.rescaleTs(context.timeBase, stream.timeBase);
      FFmpegError.throwIfError(output.interleavedWriteFrameSync(packet), `write ${path}`);
    }
  };
  for (let n = 0; n < frames; n++) {
    const frame = new Frame();
    frame.alloc();
    Object.assign(frame, {
      nbSamples: frameSamples,
      format: AV_SAMPLE_FMT_FLTP,
      sampleRate: rate,
      channelLayout: layout,
    });
    FFmpegError.throwIfError(frame.getBuffer(), 'silence');
    for (const plane of frame.data ?? []) plane.fill(0);
    frame.pts = BigInt(n * frameSamples);
    FFmpegError.throwIfError(context.sendFrameSync(frame), 'encode aac');
    frame.free();
    drain();
  }
  context.sendFrameSync(null);
  drain();
  FFmpegError.throwIfError(output.writeTrailerSync(), path);
  output.closeOutputSync();
}
