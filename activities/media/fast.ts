/**
 * `mode=fast`: key frames alone are decoded, as long as neighbours look alike; where two differ, all frames between them are, and the
 * detector says what happened. What happens and passes between two key frames that are alike is not found. The last key frame has no
 * neighbour: from there on all is decoded.
 */
import type { VideoOptions } from '@darkroom/contract';
import { z } from 'zod';
import { type Glance, glance, unlikeness } from './likeness.ts';
import type { VideoFrame, VideoReader } from './reader.ts';
import { type FoundBoundary, memorySeconds } from './scenes.ts';
import { Frames, type Step, type Steps, Watch } from './steps.ts';

/** Where a fast pass stands; JSON. Times are seconds. */
export const fastState = z.object({
  /** The last key frame that was compared, null before the first. */
  key: z.number().nullable(),
  /** All frames are being decoded, from one on and until boundaries before another are certain; null: to the end. */
  run: z.object({ from: z.number(), until: z.number().nullable() }).nullable(),
});
export type FastState = z.infer<typeof fastState>;

/** Key frames closer than this to the last one that was compared are passed by: what is slow would not show. */
const apart = 0.5;
/** Smallest `unlikeness` of key frames that are looked between. */
const unlike = 0.4;

interface KeyFrame extends Glance {
  readonly at: number;
}
const keyFrame = (at: number, frame: VideoFrame): KeyFrame => ({ at, ...glance(frame.small()) });

interface Run {
  readonly from: number;
  until: number | null;
  readonly watch: Watch;
}

export class KeyFramesFirst implements Steps {
  readonly #reader: VideoReader;
  readonly #options: VideoOptions;
  #frames: Frames;
  /** Read from until the last step, to be closed with the next. */
  #before: Frames | undefined;
  /** Time of the last step. */
  #told = Number.NEGATIVE_INFINITY;
  #key: KeyFrame | undefined;
  #run: Run | undefined;

  /** Goes on from where an earlier pass stood. */
  constructor(
    reader: VideoReader,
    options: VideoOptions,
    cursor: { readonly reached: number; readonly fast: FastState | null } | undefined,
  ) {
    this.#reader = reader;
    this.#options = options;
    this.#frames = this.#everyFrame(options.from);
    const { key, run } = cursor?.fast ?? { key: null, run: null };
    if (cursor === undefined || key === null) return;
    this.#told = cursor.reached;
    this.#frames = this.#everyFrame(key);
    const again = this.#frames.next();
    if (again !== undefined) this.#key = keyFrame(key, again);
    this.#frames.interrupt();
    if (run === null) this.#frames = this.#keyFrames(key);
    else {
      this.#frames = this.#everyFrame(Math.max(run.from, cursor.reached - memorySeconds));
      this.#run = { ...run, watch: new Watch(options) };
    }
  }

  get state(): FastState {
    const run = this.#run && { from: this.#run.from, until: this.#run.until };
    return { key: this.#key?.at ?? null, run: run ?? null };
  }

  next(): Step | undefined {
    this.#before?.interrupt();
    this.#before = undefined;
    const step = this.#run === undefined ? this.#nextKey() : this.#nextOfRun(this.#run);
    if (step !== undefined) this.#told = step.frame.at;
    return step;
  }

  finish(): { found: readonly FoundBoundary[]; end: number } {
    return { found: this.#run?.watch.end() ?? [], end: this.#frames.end };
  }

  interrupt(): void {
    this.#before?.interrupt();
    this.#frames.interrupt();
  }

  #everyFrame(from: number): Frames {
    return new Frames((time) => this.#reader.frames(time), { from, to: this.#options.to });
  }

  #keyFrames(from: number): Frames {
    return new Frames((time) => this.#reader.keyFrames(time), { from, to: this.#options.to });
  }

  #nextKey(): Step | undefined {
    for (;;) {
      const frame = this.#frames.next();
      const key = this.#key;
      if (frame === undefined) return key === undefined ? undefined : this.#start(key.at, null);
      const { at } = frame;
      if (at <= this.#told) continue;
      if (key !== undefined && at - key.at < apart) return { frame, found: [], settled: key.at };
      const seen = keyFrame(at, frame);
      this.#key = seen;
      if (key === undefined) {
        // The first frame of a range need not be a key frame, but stands for one.
        this.#before = this.#frames;
        this.#frames = this.#keyFrames(at);
      } else if (unlikeness(key, seen) >= unlike) return this.#start(key.at, at);
      return { frame, found: [], settled: at };
    }
  }

  /** Decodes all frames from `from` on until boundaries before `until` are certain. */
  #start(from: number, until: number | null): Step | undefined {
    this.#frames.interrupt();
    this.#frames = this.#everyFrame(from);
    this.#run = { from, until, watch: new Watch(this.#options) };
    return this.#nextOfRun(this.#run);
  }

  #nextOfRun(run: Run): Step | undefined {
    const found: FoundBoundary[] = [];
    for (;;) {
      const frame = this.#frames.next();
      if (frame === undefined) return undefined;
      found.push(...run.watch.push(frame.at, frame.small()));
      if (frame.keyFrame) this.#compare(run, frame);
      if (frame.at <= this.#told) continue;
      const { settled } = run.watch;
      if (run.until === null) return { frame, found, settled };
      const compared = Math.min(settled, this.#key?.at ?? settled);
      if (settled > run.until) {
        this.#run = undefined;
        this.#before = this.#frames;
        this.#frames = this.#keyFrames(this.#key?.at ?? frame.at);
      }
      return { frame, found, settled: compared };
    }
  }

  /** A key frame on the way: one unlike the last makes the way longer. */
  #compare(run: Run, frame: VideoFrame): void {
    const { at } = frame;
    if (this.#key === undefined || at - this.#key.at < apart || run.until === null) return;
    const seen = keyFrame(at, frame);
    if (unlikeness(this.#key, seen) >= unlike) run.until = at;
    this.#key = seen;
  }
}
