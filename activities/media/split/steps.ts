/** A pass over a video frame by frame, with the boundaries that become certain on the way. */
import type { VideoOptions } from '@darkroom/contract';
import type { VideoFrame, VideoReader } from '../decode/reader.ts';
import type { SmallPicture } from '../scenes/picture.ts';
import {
  type FoundBoundary,
  memoryPictures,
  memorySeconds,
  type PictureEvidence,
  SceneDetector,
} from '../scenes/scenes.ts';
import type { FastState } from './fast.ts';

export interface Step {
  /** Valid until the next step, or until the reader is let go of. */
  readonly frame: VideoFrame;
  /** In order, and each on a frame. */
  readonly found: readonly FoundBoundary[];
  /** Seconds before which all boundaries have been told. */
  readonly settled: number;
  /** Evidence of pictures before `settled`, in order; some may have been told before. Empty unless asked for. */
  readonly evidence: readonly PictureEvidence[];
}

export interface Steps {
  /** Undefined when the video or range is over; `again` for a frame that an earlier pass was done with. */
  next(): Step | 'again' | undefined;
  /** After the last step: what became certain with the end, and the end, seconds. */
  finish(): Pick<Step, 'found' | 'evidence'> & { readonly end: number };
  /** Seconds; the picture from which on a detector has to be fed to go on as this one does. */
  readonly fedFrom: number;
  /** Lets go of the reader, so that something else can be read with it; the next step takes it up again. */
  interrupt(): void;
  /** What another needs beside the time of the last step to go on in the same way. */
  readonly state: FastState | null;
}

/** The part of a video that is asked for, seconds. */
export type Range = Pick<VideoOptions, 'from' | 'to'>;

/** Frames of a range in order, with a look elsewhere in between. */
export class Frames {
  readonly #open: (from: number) => Generator<VideoFrame, void, undefined>;
  readonly #range: Range;
  #iteration: Generator<VideoFrame, void, undefined> | undefined;
  #last: number | undefined;
  #end = 0;

  /** Those at or after `range.from` and before `range.to`. */
  constructor(open: (from: number) => Generator<VideoFrame, void, undefined>, range: Range) {
    this.#open = open;
    this.#range = range;
  }

  /** Where the last frame ends, or the range. */
  get end(): number {
    return this.#end;
  }

  next(): VideoFrame | undefined {
    const { from, to } = this.#range;
    this.#iteration ??= this.#open(this.#last ?? from);
    let before: number | undefined;
    for (;;) {
      const step = this.#iteration.next();
      if (step.done === true) return undefined;
      const { at, duration } = step.value;
      if (this.#last !== undefined && at <= this.#last) continue;
      if (to !== null && at >= to) {
        this.#end = to;
        return undefined;
      }
      // A file may not say how long its last frame is shown: as long as the one before.
      const shown = duration > 0 ? duration : at - (this.#last ?? before ?? at - unknownDuration);
      this.#end = Math.min(to ?? Number.POSITIVE_INFINITY, at + shown);
      before = at;
      if (at < from) continue;
      this.#last = at;
      return step.value;
    }
  }

  interrupt(): void {
    this.#iteration?.return();
    this.#iteration = undefined;
  }
}
const unknownDuration = 0.04;

/** A detector whose boundaries lie on frames: the middle of something gradual is moved to the next one. */
export class Watch {
  readonly #detector: SceneDetector;
  /** Seconds of the frames on which a boundary can still be found. */
  #open: number[] = [];
  /** Seconds of the last frames. */
  readonly #last: number[] = [];
  /** Of pictures at which a boundary may still be found. */
  #evidence: PictureEvidence[] = [];

  constructor({
    cutThreshold,
    gradual,
    statistics = false,
  }: Pick<VideoOptions, 'cutThreshold' | 'gradual' | 'statistics'>) {
    this.#detector = new SceneDetector({ threshold: cutThreshold, gradual, evidence: statistics });
  }

  get settled(): number {
    return this.#detector.settled;
  }

  /** Seconds; the frame from which on another has to be fed to go on as this one does; undefined before the first. */
  get fedFrom(): number | undefined {
    const [first] = this.#last;
    const last = this.#last.at(-1);
    return first === undefined || last === undefined ? undefined : Math.min(first, last - memorySeconds);
  }

  push(at: number, picture: SmallPicture): FoundBoundary[] {
    this.#open.push(at);
    this.#last.push(at);
    if (this.#last.length > memoryPictures) this.#last.shift();
    const found = this.#place(this.#detector.push(at, picture));
    const { settled } = this.#detector;
    this.#open = this.#open.filter((time) => time >= settled);
    return found;
  }

  end(): FoundBoundary[] {
    return this.#place(this.#detector.end());
  }

  /** The evidence that has become certain since it was last taken. */
  takeEvidence(): PictureEvidence[] {
    const { settled } = this.#detector;
    const open = this.#evidence.findIndex(({ at }) => at >= settled);
    return this.#evidence.splice(0, open === -1 ? this.#evidence.length : open);
  }

  #place(found: FoundBoundary[]): FoundBoundary[] {
    const placed = found.map((boundary) => ({
      ...boundary,
      at: this.#open.find((time) => time >= boundary.at) ?? boundary.at,
    }));
    this.#evidence.push(...this.#detector.takeEvidence());
    for (const { at, kind, score } of placed) {
      const n = this.#evidence.findIndex((evidence) => evidence.at >= at);
      if (n !== -1) this.#evidence[n] = { ...this.#evidence[n]!, boundary: kind, score };
    }
    return placed;
  }
}

/** Every frame is decoded and looked at. */
export class EveryFrame implements Steps {
  readonly state = null;
  readonly #frames: Frames;
  readonly #watch: Watch;
  readonly #reached: number;
  readonly #from: number;

  /** Goes on behind the cursor, as one would that had come all the way. */
  constructor(
    reader: VideoReader,
    options: VideoOptions,
    cursor: { readonly reached: number; readonly fedFrom: number } | undefined,
  ) {
    const from = Math.max(options.from, cursor?.fedFrom ?? 0);
    this.#from = cursor?.fedFrom ?? from;
    this.#frames = new Frames((time) => reader.frames(time), { from, to: options.to });
    this.#watch = new Watch(options);
    this.#reached = cursor?.reached ?? Number.NEGATIVE_INFINITY;
  }

  next(): Step | 'again' | undefined {
    const frame = this.#frames.next();
    if (frame === undefined) return undefined;
    const found = this.#watch.push(frame.at, frame.small());
    if (frame.at <= this.#reached) return 'again';
    const { settled } = this.#watch;
    return { frame, found, settled, evidence: this.#watch.takeEvidence() };
  }

  finish(): ReturnType<Steps['finish']> {
    const found = this.#watch.end();
    return { found, end: this.#frames.end, evidence: this.#watch.takeEvidence() };
  }

  get fedFrom(): number {
    return this.#watch.fedFrom ?? this.#from;
  }

  interrupt(): void {
    this.#frames.interrupt();
  }
}
