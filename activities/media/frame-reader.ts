/** Frames of a container by time: decoding, time stamps, going to a place and, where that comes out late, to one before it. */
import { ProblemError, type VideoInfo } from '@darkroom/contract';
import { AV_NOPTS_VALUE } from 'node-av/constants';
import { Frame, Packet } from 'node-av/lib';
import { Container } from './container.ts';
import { Decoder } from './decoder.ts';
import { frameBytes, keepFrame, type Showing } from './kept-frame.ts';
import type { SmallPicture } from './picture.ts';
import type { ByteSource, KeptFrame, VideoFrame, VideoLimits, VideoReader } from './reader.ts';
import { Shrinker } from './shrink.ts';
import { describe, requireLength, requireWithin, showingOf } from './video-info.ts';

/** How much before the wanted place the attempts to go there aim, seconds; after them the file is read from its beginning. */
const STEPS_BACK = [0, 2, 10, 60];
/** A video that ends this much before its told end, seconds, was cut off. */
const CUT_OFF_SECONDS = 2;

export class FrameReader implements VideoReader {
  readonly info: VideoInfo;
  readonly #source: ByteSource;
  readonly #limits: VideoLimits;
  readonly #shrinker: Shrinker;
  readonly #showing: Showing;
  readonly #packet = new Packet();
  readonly #frame = new Frame();
  #container: Container;
  /** Whether the container stands at its beginning. */
  #fresh = true;
  #damagedPictures = 0;
  #cutOff: string | undefined;

  constructor(source: ByteSource, limits: VideoLimits) {
    this.#source = source;
    this.#limits = limits;
    this.#container = Container.open(source);
    try {
      const { stream } = this.#container;
      this.info = describe(this.#container, source);
      requireWithin(this.info, stream, limits);
      this.#showing = showingOf(stream);
      this.#shrinker = new Shrinker(stream.codecpar.width, stream.codecpar.height);
      this.#packet.alloc();
      this.#frame.alloc();
    } catch (error) {
      this.#container.close();
      throw error;
    }
  }

  get warnings(): readonly string[] {
    const count = this.#damagedPictures;
    const damaged = count === 0 ? [] : [`${count} ${count === 1 ? 'picture is' : 'pictures are'} damaged.`];
    return this.#cutOff === undefined ? damaged : [...damaged, this.#cutOff];
  }

  frames(from: number): Generator<VideoFrame, void, undefined> {
    return this.#iterate(from, false);
  }

  keyFrames(from: number): Generator<VideoFrame, void, undefined> {
    return this.#iterate(from, true);
  }

  close(): void {
    this.#shrinker.close();
    this.#packet.free();
    this.#frame.free();
    this.#container.close();
  }

  *#iterate(from: number, keyFramesOnly: boolean): Generator<VideoFrame, void, undefined> {
    for (const start of this.#starts(from, keyFramesOnly)) {
      let any = false;
      for (const frame of this.#decode(start, keyFramesOnly)) {
        if (!any && frame.at > from && start !== Number.NEGATIVE_INFINITY) break;
        any = true;
        yield frame;
      }
      if (any) return;
    }
    throw new ProblemError('damaged_video', 'No picture in it can be decoded.');
  }

  /**
   * Puts the container at places from which `from` can be reached, each before the last; tells the time of the key frame there.
   * Not every container knows where its key frames are, and not every key frame can be decoded without what is before it.
   */
  *#starts(from: number, keyFramesOnly: boolean): Generator<number, void, undefined> {
    for (const back of STEPS_BACK) {
      if (from - back <= 0) break;
      this.#packet.unref();
      this.#fresh = false;
      this.#container.keyFramesOnly(keyFramesOnly);
      const at = this.#container.seek(from - back) ? this.#keyPacket() : undefined;
      if (at !== undefined && at <= from) yield at;
    }
    this.#rewind();
    this.#container.keyFramesOnly(keyFramesOnly);
    yield Number.NEGATIVE_INFINITY;
  }

  #rewind(): void {
    this.#packet.unref();
    if (this.#fresh) return;
    this.#container.close();
    this.#container = Container.open(this.#source);
    this.#fresh = true;
  }

  /** Reads on to a key frame's packet, which then waits in `#packet`; its time in seconds. */
  #keyPacket(): number | undefined {
    while (this.#container.read(this.#packet) === 'packet') {
      const { pts, isKeyframe } = this.#packet;
      if (isKeyframe && pts !== AV_NOPTS_VALUE) return this.#container.seconds(Number(pts));
      this.#packet.unref();
    }
    return undefined;
  }

  /** Frames from where the container stands, those before `start` left out: they lean on frames that were not read. */
  *#decode(start: number, keyFramesOnly: boolean): Generator<VideoFrame, void, undefined> {
    const container = this.#container;
    const packet = this.#packet;
    const frame = this.#frame;
    const decoder = new Decoder(container.decoder, container.stream, {
      keyFramesOnly,
      pixels: this.#limits.pixels,
    });
    this.#fresh = false;
    const clock = new Clock(container);
    try {
      let state = packet.size > 0 ? ('packet' as const) : container.read(packet);
      for (;;) {
        if (state !== 'packet') decoder.send(null);
        else if ((!keyFramesOnly || packet.isKeyframe) && !decoder.send(packet)) this.#damagedPictures++;
        packet.unref();
        for (let got = decoder.receive(frame); got !== 'none'; got = decoder.receive(frame)) {
          if (got === 'damaged') {
            this.#damagedPictures++;
            continue;
          }
          const passing = this.#passing(frame, clock);
          if (passing.at >= start) yield passing;
          frame.unref();
        }
        if (state !== 'packet') break;
        state = container.read(packet);
      }
      this.#noteEnd(state, clock);
    } finally {
      decoder.close();
      packet.unref();
      frame.unref();
    }
  }

  #passing(frame: Frame, clock: Clock): VideoFrame {
    const { pts, at, duration } = clock.read(frame);
    requireLength(at, this.#limits);
    if (frame.decodeErrorFlags !== 0) this.#damagedPictures++;
    const showing = this.#showing;
    const shrinker = this.#shrinker;
    return {
      at,
      pts,
      duration,
      keyFrame: frame.keyFrame !== 0,
      bytes: frameBytes(frame),
      small: (): SmallPicture => shrinker.shrink(frame),
      keep: (): KeptFrame => keepFrame(frame, { at, pts }, showing),
    };
  }

  #noteEnd(state: 'end' | 'damaged', clock: Clock): void {
    const { seconds } = this.info;
    const told = seconds === null ? '' : ` of ${seconds.toFixed(1)} s`;
    if (state === 'damaged' || (seconds !== null && seconds - clock.end > CUT_OFF_SECONDS))
      this.#cutOff = `The file breaks off after ${clock.end.toFixed(1)} s${told}.`;
  }
}

/** Times of frames: what the file says, or counted on from the last where it says nothing or goes back. */
class Clock {
  readonly #container: Container;
  readonly #frameUnits: number;
  #last = Number.NEGATIVE_INFINITY;
  /** Seconds at which the last frame ends. */
  end = 0;

  constructor(container: Container) {
    this.#container = container;
    const { num, den } = container.stream.avgFrameRate;
    this.#frameUnits = num > 0 ? Math.max(1, Math.round(den / num / container.unit)) : 1;
  }

  read(frame: Frame): { pts: number; at: number; duration: number } {
    const container = this.#container;
    const told = frame.bestEffortTimestamp;
    const units = Number(frame.duration) || this.#frameUnits;
    const pts = told !== AV_NOPTS_VALUE && Number(told) > this.#last ? Number(told) : this.#next();
    this.#last = pts;
    const at = container.seconds(pts);
    const duration = units * container.unit;
    this.end = at + duration;
    return { pts, at, duration };
  }

  #next(): number {
    if (this.#last !== Number.NEGATIVE_INFINITY) return this.#last + this.#frameUnits;
    const { startTime } = this.#container.stream;
    return startTime === AV_NOPTS_VALUE ? 0 : Number(startTime);
  }
}
