/** A reader of a made-up video: no codec, but the same manners, and it minds the caller's. */
import type { VideoInfo } from '@darkroom/contract';
import type { KeptFrame, VideoFrame, VideoReader } from '../decode/reader.ts';
import type { SmallPicture } from '../scenes/picture.ts';
import { random } from './film/pictures.ts';

export interface FakeShot {
  /** Frames. */
  readonly length: number;
  /** What it shows; shots of one look are alike. */
  readonly look: number;
  /** Frames over which it replaces the shot before. */
  readonly dissolve?: number;
}

export interface FakeVideo {
  readonly shots: readonly FakeShot[];
  /** Seconds between frames, over and over. */
  readonly steps: readonly number[];
  /** Frames from key frame to key frame. */
  readonly gop: number;
  readonly bytes?: number;
  /** Numbers of frames that are damaged. */
  readonly damaged?: readonly number[];
}

const width = 64;
const height = 36;
const size = width * height;

/** Frames of a made-up video: time and picture. */
export function fakeFrames({
  shots,
  steps,
}: FakeVideo): { at: number; duration: number; picture: SmallPicture }[] {
  const looks = new Map<number, Uint8Array>();
  const look = (number: number) => {
    const known = looks.get(number);
    if (known !== undefined) return known;
    const next = random(number);
    const middle = 60 + 130 * next();
    const drawn = new Uint8Array((size * 3) / 2);
    for (let n = 0; n < size; n++) drawn[n] = middle + 50 * Math.sin(n * (0.01 + 0.2 * (number % 7)));
    drawn.fill(60 + 136 * next(), size, size + size / 4).fill(60 + 136 * next(), size + size / 4);
    looks.set(number, drawn);
    return drawn;
  };
  let at = 0;
  return shots.flatMap((shot, n) =>
    Array.from({ length: shot.length }, (_, frame) => {
      const own = look(shot.look);
      const before = shots[n - 1];
      const share = before && shot.dissolve ? Math.min(1, (frame + 1) / (shot.dissolve + 1)) : 1;
      const noise = random(n * 7919 + frame);
      const other = look(before?.look ?? shot.look);
      const bytes = own.map((value, i) => value * share + other[i]! * (1 - share) + 3 * noise());
      const duration = steps[(n + frame) % steps.length]!;
      const picture = {
        width,
        height,
        y: bytes.subarray(0, size),
        u: bytes.subarray(size, size + size / 4),
        v: bytes.subarray(size + size / 4),
      };
      const made = { at, duration, picture };
      at += duration;
      return made;
    }),
  );
}

export class FakeReader implements VideoReader {
  readonly info: VideoInfo = {
    container: 'fake',
    codec: 'fake',
    pixelFormat: 'yuv420p',
    width,
    height,
    rotation: 0,
    seconds: null,
    framesPerSecond: null,
    interlaced: false,
    hdr: false,
    videoStreams: 1,
  };
  readonly lost = 0;
  readonly cutOff = undefined;
  readonly notes = [];
  readonly #frames: ReturnType<typeof fakeFrames>;
  readonly #video: FakeVideo;
  #iterating = false;
  /** Frames that were kept and not released, most of them at a time, and frames decoded. */
  held = 0;
  most = 0;
  decoded = 0;

  constructor(video: FakeVideo, frames = fakeFrames(video)) {
    this.#video = video;
    this.#frames = frames;
  }

  *frames(from: number): Generator<VideoFrame, void, undefined> {
    yield* this.#iterate(from, 1);
  }

  *keyFrames(from: number): Generator<VideoFrame, void, undefined> {
    yield* this.#iterate(from, this.#video.gop);
  }

  close(): void {}

  *#iterate(from: number, every: number): Generator<VideoFrame, void, undefined> {
    if (this.#iterating) throw new Error('two iterations at a time');
    this.#iterating = true;
    try {
      const { gop } = this.#video;
      let first = 0;
      while (first + gop < this.#frames.length && this.#frames[first + gop]!.at <= from) first += gop;
      for (let n = first; n < this.#frames.length; n += every) {
        const frame = this.#frame(n);
        this.decoded++;
        yield frame;
        frame.over = true;
      }
    } finally {
      this.#iterating = false;
    }
  }

  #frame(n: number): VideoFrame & { over: boolean } {
    const { at, duration, picture } = this.#frames[n]!;
    const bytes = this.#video.bytes ?? 1000;
    const alive = (frame: { over: boolean }) => {
      if (frame.over || !this.#iterating) throw new Error(`frame ${n} is used after its time`);
    };
    const reader = this;
    return {
      at,
      duration,
      bytes,
      pts: n,
      keyFrame: n % this.#video.gop === 0,
      damaged: this.#video.damaged?.includes(n) ? 1 : 0,
      over: false,
      small() {
        alive(this);
        return picture;
      },
      keep() {
        alive(this);
        reader.held++;
        reader.most = Math.max(reader.most, reader.held);
        return kept(at, n, bytes, () => reader.held--);
      },
    };
  }
}

function kept(at: number, pts: number, bytes: number, free: () => void): KeptFrame {
  let released = false;
  const picture = (kind: string) => {
    if (released) throw new Error(`frame ${pts} is used after its release`);
    return Buffer.from(`${kind} ${pts}`);
  };
  return {
    at,
    pts,
    bytes,
    width,
    height,
    jpeg: () => picture('jpeg'),
    input: (room) => picture(`input ${room.width}`),
    release() {
      if (released) throw new Error(`frame ${pts} is released twice`);
      released = true;
      free();
    },
  };
}
