/** Streams of finished files, or sound made up, put together into one file without coding them anew. */
import {
  AV_CODEC_ID_PCM_S16LE,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_STRING,
  type AVDisposition,
  AVFMT_NOFILE,
  AVMEDIA_TYPE_AUDIO,
  type BsfName,
} from 'node-av/constants';
import {
  avChannelLayoutDefault,
  BitStreamFilter,
  BitStreamFilterContext,
  FFmpegError,
  FormatContext,
  Packet,
  Rational,
  type Stream,
} from 'node-av/lib';

export type Part =
  /** The first stream of a file. */
  | {
      readonly file: string;
      readonly disposition?: AVDisposition;
      /** A bit stream filter, by FFmpeg's names: what changes a coded stream without coding it anew. */
      readonly filter?: { readonly name: string; readonly options: Readonly<Record<string, string>> };
    }
  /** Silence of so many seconds, 8 kHz. */
  | { readonly silence: number };

/** Writes the parts as streams of `path`, in order; the name's ending picks the container. */
export function remux(path: string, parts: readonly Part[]): void {
  const output = new FormatContext();
  FFmpegError.throwIfError(output.allocOutputContext2(null, null, path), path);
  const feeds = parts.map((part) => ('file' in part ? stream(output, part) : sound(output, part.silence)));
  if (output.oformat?.hasFlags(AVFMT_NOFILE) !== true)
    FFmpegError.throwIfError(output.openOutputSync(), path);
  FFmpegError.throwIfError(output.writeHeaderSync(), path);
  for (const feed of feeds) feed();
  FFmpegError.throwIfError(output.writeTrailerSync(), path);
  output.closeOutputSync();
  output.freeContext();
}

function stream(
  output: FormatContext,
  { file, disposition, filter }: Extract<Part, { file: string }>,
): () => void {
  const input = new FormatContext();
  input.allocContext();
  FFmpegError.throwIfError(input.openInputSync(file, null), file);
  FFmpegError.throwIfError(input.findStreamInfoSync(), file);
  const [from] = input.streams;
  if (from === undefined) throw new Error(`${file} holds no stream`);
  const to = output.newStream();
  const bits = openFilter(filter ?? { name: 'null', options: {} }, from);
  bits.outputCodecParameters?.copy(to.codecpar);
  to.codecpar.codecTag = 0;
  to.timeBase = from.timeBase;
  to.avgFrameRate = from.avgFrameRate;
  if (disposition !== undefined) to.disposition = disposition;
  return () => {
    const packet = new Packet();
    packet.alloc();
    const drain = () => {
      while (bits.receivePacketSync(packet) >= 0) {
        packet.streamIndex = to.index;
        packet.rescaleTs(from.timeBase, to.timeBase);
        FFmpegError.throwIfError(output.interleavedWriteFrameSync(packet), file);
      }
    };
    while (input.readFrameSync(packet) >= 0) {
      if (packet.streamIndex !== from.index) continue;
      FFmpegError.throwIfError(bits.sendPacketSync(packet), file);
      drain();
    }
    bits.sendPacketSync(null);
    drain();
    bits.free();
    packet.free();
    input.closeInputSync();
  };
}

function openFilter(
  { name, options }: NonNullable<Extract<Part, { file: string }>['filter']>,
  from: Stream,
): BitStreamFilterContext {
  const filter = BitStreamFilter.getByName(name as BsfName);
  if (filter === null) throw new Error(`this FFmpeg has no ${name}`);
  const context = new BitStreamFilterContext();
  FFmpegError.throwIfError(context.alloc(filter), name);
  if (context.inputCodecParameters !== null) from.codecpar.copy(context.inputCodecParameters);
  context.inputTimeBase = from.timeBase;
  for (const [option, value] of Object.entries(options))
    FFmpegError.throwIfError(
      context.setOption(option, value, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN),
      `${name} ${option}=${value}`,
    );
  FFmpegError.throwIfError(context.init(), name);
  return context;
}

function sound(output: FormatContext, seconds: number): () => void {
  const rate = 8000;
  const to = output.newStream();
  Object.assign(to.codecpar, {
    codecType: AVMEDIA_TYPE_AUDIO,
    codecId: AV_CODEC_ID_PCM_S16LE,
    sampleRate: rate,
    channelLayout: avChannelLayoutDefault(1),
    bitsPerCodedSample: 16,
  });
  to.timeBase = new Rational(1, rate);
  return () => {
    const packet = new Packet();
    packet.alloc();
    for (let second = 0; second < seconds; second++) {
      packet.data = Buffer.alloc(2 * rate);
      packet.streamIndex = to.index;
      packet.pts = packet.dts = BigInt(second * rate);
      packet.duration = BigInt(rate);
      packet.rescaleTs({ num: 1, den: rate }, to.timeBase);
      FFmpegError.throwIfError(output.interleavedWriteFrameSync(packet), 'sound');
    }
    packet.free();
  };
}
