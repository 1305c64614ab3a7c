/** Frames of a container by time: decoding, time stamps, going to a place and, where that comes out late, to one before it. */
import { availableParallelism } from 'node:os';
import { ProblemError, type VideoInfo } from '@darkroom/contract';
import { AV_NOPTS_VALUE, AV_PKT_FLAG_DISCARD } from 'node-av/constants';
import { Frame, Packet, type Stream } from 'node-av/lib';
import type { SmallPicture } from '../scenes/picture.ts';
import type { Container } from './container/container.ts';
import { survey } from './container/survey.ts';
import { requireLength, showingOf } from './container/video-info.ts';
import { Decoder } from './decoder.ts';
import { Clock, type FrameTimes, timesOf } from './frame-times.ts';
import { approximationOf } from './picture/colour.ts';
import { codedBytes, frameBytes, keepFrame, Showings } from './picture/kept-frame.ts';
import { Shrinker } from './picture/shrink.ts';
import type { ByteSource, KeptFrame, VideoFrame, VideoLimits, VideoReader } from './reader.ts';
import { decoderThreads } from './threads.ts';

/** How much before the wanted place the attempts to go there aim, seconds; after them the file is read from its beginning. */
const STEPS_BACK = [0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128];
/** A video that ends this much before its told end, seconds, was cut off. */
const CUT_OFF_SECONDS = 2;

export class FrameReader implements VideoReader {
  readonly info: VideoInfo;
  readonly notes: readonly string[];
  readonly #limits: VideoLimits;
  readonly #room: { readonly pixels: number; readonly threads: number };
  readonly #shrinker: Shrinker;
  readonly #showings: Showings;
  readonly #packet = new Packet();
  readonly #frame = new Frame();
  #container: Container;
  /** Whether one clock runs through all of it, so that places can be gone to. */
  #steady: boolean;
  /** Whether the container stands at its beginning. */
  #fresh = true;
  #lost = 0;
  #decoded = 0;
  #cutOff: string | undefined;

  constructor(source: ByteSource, limits: VideoLimits) {
    this.#limits = limits;
    const { container, info, steady } = survey(source, limits);
    this.info = info;
    this.#container = container;
    this.#steady = steady;
    try {
      const { stream } = container;
      const approximation = approximationOf(stream.codecpar);
      this.notes = approximation === undefined ? [] : [approximation];
      this.#showings = new Showings(showingOf(stream));
      this.#shrinker = new Shrinker(stream.codecpar.width, stream.codecpar.height);
      this.#room = { pixels: limits.pixels, threads: threadsFor(stream, limits) };
      this.#packet.alloc();
      this.#frame.alloc();
    } catch (error) {
      container.close();
      throw error;
    }
  }

  get lost(): number {
    return this.#lost;
  }

  get decoded(): number {
    return this.#decoded;
  }

  get cutOff(): string | undefined {
    return this.#cutOff;
  }

  frames(from: number): Generator<VideoFrame, void, undefined> {
    return this.#iterate(from, (start) => this.#decode(start));
  }

  keyFrames(from: number): Generator<VideoFrame, void, undefined> {
    return this.#iterate(from, () => this.#decodeKeys());
  }

  close(): void {
    this.#shrinker.close();
    this.#packet.free();
    this.#frame.free();
    this.#container.close();
  }

  *#iterate(
    from: number,
    decode: (start: number) => Generator<VideoFrame, void, undefined>,
  ): Generator<VideoFrame, void, undefined> {
    for (const { at, beginning } of this.#starts(from)) {
      let any = false;
      this.#lost = 0;
      for (const frame of decode(at)) {
        if (!any && !beginning && frame.at > from) break;
        any = true;
        yield frame;
      }
      if (any) return;
    }
    throw new ProblemError('damaged_video', 'No picture in it can be decoded.');
  }

  /**
   * Puts the container at places from which `from` can be reached, each before the last, with the packet of the key frame there in
   * `#packet`; tells its time. Not every container knows where its key frames are, and not every key frame can be decoded without
   * what is before it.
   */
  *#starts(from: number): Generator<{ at: number; beginning: boolean }, void, undefined> {
    this.#steady &&= !this.#container.broken;
    for (const back of this.#steady ? STEPS_BACK : []) {
      if (from - back <= 0) break;
      this.#packet.unref();
      this.#fresh = false;
      if (!this.#container.seek(from - back) || !this.#nextKeyPacket()) continue;
      const at = this.#packetSeconds();
      if (at <= from)
        yield { at: this.#packet.pts === AV_NOPTS_VALUE ? Number.NEGATIVE_INFINITY : at, beginning: false };
    }
    this.#rewind();
    yield { at: Number.NEGATIVE_INFINITY, beginning: true };
  }

  #rewind(): void {
    this.#packet.unref();
    if (this.#fresh) return;
    this.#container = this.#container.reopened();
    this.#fresh = true;
  }

  /** Reads on to the packet of a key frame; false at the end. */
  #nextKeyPacket(): boolean {
    while (this.#container.read(this.#packet) === 'packet') {
      if (this.#packet.isKeyframe) return true;
      this.#packet.unref();
    }
    return false;
  }

  #packetSeconds(): number {
    const { pts, dts } = this.#packet;
    return this.#container.seconds(Number(pts === AV_NOPTS_VALUE ? dts : pts));
  }

  /** Frames from where the container stands, those before `start` left out: they lean on frames that were not read. */
  *#decode(start: number): Generator<VideoFrame, void, undefined> {
    const container = this.#container;
    const packet = this.#packet;
    const frame = this.#frame;
    const decoder = new Decoder(container.decoder, container.stream, this.#room);
    const clock = new Clock(container);
    this.#fresh = false;
    try {
      let state = packet.size > 0 ? ('packet' as const) : container.read(packet);
      for (;;) {
        if (!decoder.send(state === 'packet' ? packet : null) && state === 'packet') this.#lost++;
        packet.unref();
        for (let got = decoder.receive(frame); got !== 'none'; got = decoder.receive(frame)) {
          if (got === 'damaged') {
            this.#lost++;
            continue;
          }
          const passing = this.#passing(frame, clock.read(frame));
          if (passing.at >= start) yield passing;
          frame.unref();
        }
        if (state !== 'packet') break;
        state = container.read(packet);
      }
      this.#noteEnd(state, clock.end);
    } finally {
      decoder.close();
      packet.unref();
      frame.unref();
    }
  }

  /** Key frames from where the container stands, each decoded by itself: their order among themselves is no decoder's business. */
  *#decodeKeys(): Generator<VideoFrame, void, undefined> {
    const packet = this.#packet;
    const frame = this.#frame;
    const decoder = new Decoder(this.#container.decoder, this.#container.stream, this.#room);
    this.#fresh = false;
    try {
      for (let more = packet.size > 0 || this.#nextKeyPacket(); more; more = this.#nextKeyPacket()) {
        // Hidden by an edit list: no picture comes of it.
        if (packet.hasFlags(AV_PKT_FLAG_DISCARD)) {
          packet.unref();
          continue;
        }
        const { pts, dts } = packet;
        const units = Number(pts === AV_NOPTS_VALUE ? dts : pts);
        decoder.send(packet);
        decoder.send(null);
        packet.unref();
        if (decoder.receive(frame) === 'frame') {
          yield this.#passing(frame, timesOf(this.#container, units, Number(frame.duration)));
          frame.unref();
        } else this.#lost++;
        decoder.flush();
      }
    } finally {
      decoder.close();
      packet.unref();
      frame.unref();
    }
  }

  #passing(frame: Frame, { pts, at, duration }: FrameTimes): VideoFrame {
    requireLength(at, this.#limits);
    this.#decoded++;
    const damaged = this.#lost + (frame.decodeErrorFlags === 0 ? 0 : 1);
    this.#lost = 0;
    const showing = this.#showings.of(frame);
    const shrinker = this.#shrinker;
    const limits = this.#limits;
    return {
      at,
      pts,
      duration,
      keyFrame: frame.keyFrame !== 0,
      damaged,
      bytes: frameBytes(frame),
      small: (): SmallPicture => shrinker.shrink(frame),
      keep: (): KeptFrame => keepFrame(frame, { at, pts }, showing, limits),
    };
  }

  #noteEnd(state: 'end' | 'damaged', end: number): void {
    const { seconds } = this.info;
    const told = seconds === null ? '' : ` of ${seconds.toFixed(1)} s`;
    const sure = seconds !== null && !this.#container.restarts;
    if (state === 'damaged' || (sure && seconds - end > CUT_OFF_SECONDS))
      this.#cutOff = `The file breaks off after ${end.toFixed(1)} s${told}.`;
  }
}

/** Of a stream's decoder; left to FFmpeg where no memory is told. */
function threadsFor({ codecpar }: Stream, { memoryBytes, keptBytes = 0 }: VideoLimits): number {
  if (memoryBytes === undefined) return 0;
  const { width, height } = codecpar;
  return decoderThreads(
    { pixels: width * height, bytes: codedBytes(codecpar) },
    { memoryBytes, keptBytes },
    availableParallelism(),
  );
}
