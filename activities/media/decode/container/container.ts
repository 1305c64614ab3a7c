/** An opened container: its video stream, packets in order of decoding, seeking. Everything is read through a `ByteSource`. */
import { ProblemError } from '@darkroom/contract';
import {
  AV_NOPTS_VALUE,
  AVDISCARD_ALL,
  AVERROR_EIO,
  AVERROR_ENOMEM,
  AVERROR_EOF,
  AVSEEK_FLAG_BACKWARD,
  AVSEEK_FLAG_BYTE,
  AVSEEK_SET,
} from 'node-av/constants';
import { type Codec, FormatContext, type IOContext, Packet, type Stream } from 'node-av/lib';
import type { ByteSource } from '../reader.ts';
import { ioOver } from './byte-io.ts';
import { Continuity, MOST_BACK } from './continuity.ts';
import { DECODERS, DEMUXERS, decoderOf, refusal, withoutVideo } from './readable.ts';
import { choose, filmsAmong, isVideo } from './streams.ts';

const MOST_STREAMS = 100;
/** An edit list may show a part again, but not the whole file so many times. */
const MOST_REPEATS = 4;
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
  /** Of containers whose clock may start anew. */
  #continuity: Continuity | undefined;
  readonly #films: ReadonlySet<number> | undefined;

  private constructor(
    io: IOContext,
    source: ByteSource,
    format: FormatContext,
    streams: readonly Stream[],
    films: ReadonlySet<number> | undefined,
  ) {
    this.#films = films;
    this.#io = io;
    this.#source = source;
    this.format = format;
    this.videoStreams = streams.length;
    this.stream = choose(streams);
    this.decoder = decoderOf(this.stream);
    this.start = format.startTime === AV_NOPTS_VALUE ? 0 : Number(format.startTime) / MICROSECONDS;
    const { num, den } = this.stream.timeBase;
    this.unit = num / den;
    if (this.restarts) this.#continuity = new Continuity(this.unit);
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

  /** Whether it is of a kind that is put together of pieces, each with a clock of its own: what it tells of its length is a guess. */
  get restarts(): boolean {
    const name = this.format.iformat?.name ?? '';
    return name === 'mpegts' || name === 'mpeg';
  }

  /** Whether a clock ended in what was read since it was opened. */
  get broken(): boolean {
    return (this.#continuity?.breaks ?? 0) > 0;
  }

  /** The same from its beginning; this one is closed. (Its reading is taken over, as node-av 6.1.1 does not free all of that.) */
  reopened(): Container {
    this.format.closeInputSync();
    this.#io.seekSync(0n, AVSEEK_SET);
    return Container.#over(this.#io, this.#source, this.#films);
  }

  /** `films`: indexes of the streams that are no still pictures, where that was found out already. */
  static #over(io: IOContext, source: ByteSource, films?: ReadonlySet<number>): Container {
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
      if (streams.length === 1) return new Container(io, source, format, streams, films);
      const known = films;
      if (known !== undefined) {
        const chosen = streams.filter(({ index }) => known.has(index));
        return new Container(io, source, format, chosen, known);
      }
      films = filmsAmong(streams, format);
    } catch (error) {
      format.closeInputSync();
      throw error;
    }
    format.closeInputSync();
    io.seekSync(0n, AVSEEK_SET);
    return Container.#over(io, source, films);
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
      if (packet.streamIndex === this.stream.index) {
        this.#count(packet);
        return 'packet';
      }
      packet.unref();
    }
  }

  #count(packet: Packet): void {
    const { pts, dts, duration } = packet;
    const time = dts === AV_NOPTS_VALUE ? pts : dts;
    if (this.#continuity === undefined || time === AV_NOPTS_VALUE) return;
    const offset = BigInt(this.#continuity.offsetOf(Number(time), Number(duration)));
    if (offset === 0n) return;
    if (pts !== AV_NOPTS_VALUE) packet.pts = pts + offset;
    if (dts !== AV_NOPTS_VALUE) packet.dts = dts + offset;
  }

  /**
   * Whether one clock runs through it, as far as a look at some places tells, so that a place can be gone to by its time. It has to be
   * opened anew afterwards.
   */
  isSteady(): boolean {
    if (!this.restarts) return true;
    const packet = new Packet();
    packet.alloc();
    const times: number[] = [];
    for (let n = 0; n < LOOKS; n++) {
      const at = BigInt(Math.floor((n * this.#source.size) / LOOKS));
      if (n > 0) this.format.seekFrameSync(-1, at, AVSEEK_FLAG_BYTE);
      this.#delivered = 0;
      this.#continuity = undefined;
      if (this.read(packet) === 'packet') {
        const { pts, dts } = packet;
        const time = dts === AV_NOPTS_VALUE ? pts : dts;
        if (time !== AV_NOPTS_VALUE) times.push(this.seconds(Number(time)));
      }
      packet.unref();
    }
    packet.free();
    const [first = 0] = times;
    const whole = (times.at(-1) ?? first) - first;
    return times.every((time, n) => {
      const step = n === 0 ? 0 : time - times[n - 1]!;
      return step >= -MOST_BACK && (step <= LEAST_GAP || step <= whole * MOST_SHARE);
    });
  }

  /** Goes to a key frame about `seconds`, before it if the container knows; false where it cannot. */
  seek(seconds: number): boolean {
    this.#delivered = 0;
    if (this.restarts) this.#continuity = new Continuity(this.unit);
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

/** Places at which a clock is looked at; steps between them that are longer than that, seconds, are no larger share of the whole. */
const LOOKS = 8;
const LEAST_GAP = 10;
const MOST_SHARE = 0.5;
