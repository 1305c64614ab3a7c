/** An opened container: its video stream, packets in order of decoding, seeking. Everything is read through a `ByteSource`. */
import { ProblemError } from '@darkroom/contract';
import {
  AV_CODEC_ID_NONE,
  AV_DISPOSITION_ATTACHED_PIC,
  AV_DISPOSITION_DEFAULT,
  AV_DISPOSITION_DEPENDENT,
  AV_DISPOSITION_TIMED_THUMBNAILS,
  AV_NOPTS_VALUE,
  AVDISCARD_ALL,
  AVERROR_EIO,
  AVERROR_ENOMEM,
  AVERROR_EOF,
  AVMEDIA_TYPE_VIDEO,
  AVSEEK_FLAG_BACKWARD,
  AVSEEK_SET,
  AVSEEK_SIZE,
} from 'node-av/constants';
import {
  Codec,
  FFmpegError,
  FormatContext,
  InputFormat,
  IOContext,
  type Packet,
  type Stream,
} from 'node-av/lib';
import type { ByteSource } from './reader.ts';

/** What may be opened at all: names of FFmpeg's demuxers and decoders. */
const DEMUXERS = ['mov', 'matroska', 'avi', 'mpegts', 'mpeg', 'flv'];
const DECODERS = [
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

const MOST_STREAMS = 100;
/** An edit list may show a part again, but not the whole file so many times. */
const MOST_REPEATS = 4;
/** FFmpeg asks for this much at a time, bytes. */
const READ_AHEAD = 256 << 10;
const MICROSECONDS = 1e6;

export class Container {
  readonly format: FormatContext;
  readonly stream: Stream;
  readonly decoder: Codec;
  readonly videoStreams: number;
  /** Seconds that the container begins at; its times are told without them. */
  readonly start: number;
  /** Seconds a unit of the stream's time base lasts. */
  readonly unit: number;
  readonly #io: IOContext;
  readonly #source: ByteSource;
  /** Bytes of packets since it was opened or sought in. */
  #delivered = 0;

  private constructor(io: IOContext, source: ByteSource, format: FormatContext, streams: readonly Stream[]) {
    this.#io = io;
    this.#source = source;
    this.format = format;
    this.videoStreams = streams.length;
    this.stream = choose(streams);
    this.decoder = decoderOf(this.stream);
    this.start = format.startTime === AV_NOPTS_VALUE ? 0 : Number(format.startTime) / MICROSECONDS;
    const { num, den } = this.stream.timeBase;
    this.unit = num / den;
    for (const { index } of format.streams)
      if (index !== this.stream.index) format.streams[index]!.discard = AVDISCARD_ALL;
  }

  /** Throws ProblemError `empty_file`, `unsupported_video`, `damaged_video`, `no_video_stream`. */
  static open(source: ByteSource): Container {
    if (source.size === 0) throw new ProblemError('empty_file', 'The file has no bytes.');
    const io = ioOver(source);
    try {
      return Container.#over(io, source);
    } catch (error) {
      io.freeContext();
      throw error;
    }
  }

  /** The same from its beginning; this one is closed. (Its reading is taken over, as node-av 6.1.1 does not free all of that.) */
  reopened(): Container {
    this.format.closeInputSync();
    this.#io.seekSync(0n, AVSEEK_SET);
    return Container.#over(this.#io, this.#source);
  }

  static #over(io: IOContext, source: ByteSource): Container {
    const format = new FormatContext();
    format.allocContext();
    format.pb = io;
    // As options of the context: a dictionary given to openInputSync is freed twice (node-av 6.1.1).
    format.setOption('format_whitelist', DEMUXERS.join(','));
    format.setOption('codec_whitelist', DECODERS.join(','));
    format.setOption('protocol_whitelist', '');
    format.maxStreams = MOST_STREAMS;
    try {
      const opened = format.openInputSync('', null);
      if (opened < 0) throw refusal(opened, source);
      const described = format.findStreamInfoSync();
      if (described < 0) throw refusal(described, source);
      const streams = format.streams.filter(isVideo);
      if (streams.length === 0) throw withoutVideo(format);
      return new Container(io, source, format, streams);
    } catch (error) {
      format.closeInputSync();
      throw error;
    }
  }

  /** The next packet of the video stream. `damaged` is the end as well, as the rest cannot be found. */
  read(packet: Packet): 'packet' | 'end' | 'damaged' {
    for (;;) {
      const code = this.format.readFrameSync(packet);
      if (code === AVERROR_EOF) return 'end';
      if (code === AVERROR_EIO) throw new Error('The source could not be read.');
      if (code === AVERROR_ENOMEM) throw new ProblemError('memory_limit', 'The decoder got no more memory.');
      if (code < 0) return 'damaged';
      this.#delivered += packet.size;
      if (this.#delivered > MOST_REPEATS * this.#source.size)
        throw new ProblemError('damaged_video', 'It gives out the same bytes over and over.');
      if (packet.streamIndex === this.stream.index) return 'packet';
      packet.unref();
    }
  }

  /** Goes to a key frame about `seconds`, before it if the container knows; false where it cannot. */
  seek(seconds: number): boolean {
    this.#delivered = 0;
    const timestamp = BigInt(Math.floor((seconds + this.start) / this.unit));
    return this.format.seekFrameSync(this.stream.index, timestamp, AVSEEK_FLAG_BACKWARD) >= 0;
  }

  /** Seconds of a time stamp in units of the stream. */
  seconds(timestamp: number): number {
    const { num, den } = this.stream.timeBase;
    return (timestamp * num) / den - this.start;
  }

  close(): void {
    this.format.closeInputSync();
    this.#io.freeContext();
  }
}

function ioOver(source: ByteSource): IOContext {
  let position = 0;
  const io = new IOContext();
  io.allocContextWithCallbacks(
    READ_AHEAD,
    0,
    (length) => {
      const bytes = source.read(position, length);
      if (bytes.length === 0) return AVERROR_EOF;
      position += bytes.length;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    },
    null,
    (offset, whence) => {
      if (whence === AVSEEK_SIZE) return BigInt(source.size);
      if (whence !== AVSEEK_SET || offset < 0n) return -22n;
      position = Number(offset);
      return offset;
    },
  );
  return io;
}

const passedOver = AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS | AV_DISPOSITION_DEPENDENT;

function isVideo({ codecpar, disposition }: Stream): boolean {
  return codecpar.codecType === AVMEDIA_TYPE_VIDEO && (disposition & passedOver) === 0;
}

/** The default one; of several the one with most pixels, then the first. */
function choose(streams: readonly Stream[]): Stream {
  const rank = ({ codecpar, disposition }: Stream) =>
    ((disposition & AV_DISPOSITION_DEFAULT) !== 0 ? 2 ** 40 : 0) + codecpar.width * codecpar.height;
  return streams.reduce((best, stream) => (rank(stream) > rank(best) ? stream : best));
}

function decoderOf({ codecpar }: Stream): Codec {
  const decoder = Codec.findDecoder(codecpar.codecId);
  if (decoder === null || !DECODERS.includes(decoder.name ?? ''))
    throw new ProblemError(
      'unsupported_video',
      `Its pictures are not coded in a way that is read here. Readable: ${READABLE}.`,
    );
  return decoder;
}

function withoutVideo({ streams }: FormatContext): ProblemError {
  if (streams.length > 0 && streams.every(({ codecpar }) => codecpar.codecId === AV_CODEC_ID_NONE))
    return new ProblemError('damaged_video', 'Its header does not tell what its streams are.');
  const count = streams.length === 1 ? '1 stream' : `${streams.length} streams`;
  return new ProblemError('no_video_stream', `It holds ${count}, none of them video.`);
}

/** What an error at opening means: a container that is read here and broken, or none of them. */
function refusal(code: number, source: ByteSource): Error {
  if (code === AVERROR_EIO) return new Error('The source could not be read.');
  const head = source.read(0, Math.min(source.size, 4096));
  const guess = InputFormat.probe(Buffer.from(head))?.name?.split(',') ?? [];
  if (DEMUXERS.some((name) => guess.includes(name)))
    return new ProblemError('damaged_video', `Its header cannot be read (${FFmpegError.strerror(code)}).`);
  return new ProblemError('unsupported_video', `It is not a video that is read here. Readable: ${READABLE}.`);
}
