/**
 * `mode=fast`: key frames alone are decoded, as long as neighbours look alike; where two differ, all frames between them are, and the
 * detector says what happened (from the first of them until, after a change, they look like the next key frame). What happens and passes between two key frames that are alike is not found. The last key frame has no
 * neighbour: from there on all is decoded.
 */
import type { VideoOptions } from '@darkroom/contract';
import { z } from 'zod';
import type { VideoFrame, VideoReader } from '../decode/reader.ts';
import { type Glance, glance, unlikeness } from '../scenes/likeness.ts';
import type { FoundBoundary } from '../scenes/scenes.ts';
import type { SplitCursor } from './cursor.ts';
import { Frames, type Step, type Steps, Watch } from './steps.ts';

/** Where a fast pass stands; JSON. Times are seconds. */
export const fastState = z.object({
  /** The key frames that the next one is compared with, the last and the one before (or the last again); null before the first. */
  keys: z.object({ last: z.number(), before: z.number() }).nullable(),
  /** All frames are being decoded, from one on and until boundaries before another are certain (null: to the end); a boundary was found. */
  run: z.object({ from: z.number(), until: z.number().nullable(), changed: z.boolean() }).nullable(),
});
export type FastState = z.infer<typeof fastState>;

/** Key frames closer than this to the last one that was compared are passed by: what is slow would not show. */
const apart = 0.5;
/** Smallest `unlikeness` of key frames that are looked between, and of the one before the last: a slow change may take two steps. */
const unlike = 0.4;
const unlikeInTwo = 0.6;

interface KeyFrame extends Glance {
  readonly at: number;
}
interface Keys {
  readonly last: KeyFrame;
  readonly before: KeyFrame;
}
const keyFrame = (at: number, frame: VideoFrame): KeyFrame => ({ at, ...glance(frame.small()) });

interface Run {
  readonly from: number;
  until: number | null;
  changed: boolean;
  /** From here on all frames were like the key frame that lies ahead. */
  alike: number;
  readonly watch: Watch;
}

export class KeyFramesFirst implements Steps {
  readonly #reader: VideoReader;
  readonly #options: VideoOptions;
  #frames: Frames;
  /** Read from until the last step, to be closed with the next. */
  #before: Frames | undefined;
  readonly #from: number;
  /** Time of the last step. */
  #told = Number.NEGATIVE_INFINITY;
  #keys: Keys | undefined;
  #run: Run | undefined;

  /** Goes on from where an earlier pass stood. */
  constructor(
    reader: VideoReader,
    options: VideoOptions,
    cursor: Pick<SplitCursor, 'reached' | 'fedFrom' | 'fast'> | undefined,
  ) {
    this.#reader = reader;
    this.#options = options;
    this.#frames = this.#everyFrame(options.from);
    this.#from = cursor?.fedFrom ?? options.from;
    const { keys, run } = cursor?.fast ?? { keys: null, run: null };
    if (cursor === undefined || keys === null) return;
    this.#told = cursor.reached;
    const before = this.#keyAgain(keys.before);
    this.#keys = { before, last: keys.last === keys.before ? before : this.#keyAgain(keys.last) };
    if (run === null) this.#frames = this.#keyFrames(keys.last);
    else {
      this.#frames = this.#everyFrame(Math.max(run.from, cursor.fedFrom));
      this.#run = { ...run, alike: Number.POSITIVE_INFINITY, watch: new Watch(options) };
    }
  }

  get state(): FastState {
    const { from, until = null, changed = false } = this.#run ?? {};
    const keys = this.#keys && { last: this.#keys.last.at, before: this.#keys.before.at };
    return { keys: keys ?? null, run: from === undefined ? null : { from, until, changed } };
  }

  get fedFrom(): number {
    return this.#run === undefined ? this.#options.from : (this.#run.watch.fedFrom ?? this.#from);
  }

  next(): Step | undefined {
    this.#before?.interrupt();
    this.#before = undefined;
    const step = this.#run === undefined ? this.#nextKey() : this.#nextOfRun(this.#run);
    if (step !== undefined) this.#told = step.frame.at;
    return step;
  }

  finish(): ReturnType<Steps['finish']> {
    const watch = this.#run?.watch;
    const found = watch?.end() ?? [];
    return { found, end: this.#frames.end, evidence: watch?.takeEvidence() ?? [] };
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

  #keyAgain(at: number): KeyFrame {
    const frames = this.#everyFrame(at);
    const frame = frames.next();
    if (frame === undefined) throw new Error(`The picture at ${at} s could not be read again.`);
    const key = keyFrame(at, frame);
    frames.interrupt();
    return key;
  }

  #nextKey(): Step | undefined {
    for (;;) {
      const frame = this.#frames.next();
      const keys = this.#keys;
      if (frame === undefined) return keys === undefined ? undefined : this.#start(keys.before.at, null);
      const { at } = frame;
      if (at <= this.#told) continue;
      if (keys === undefined) {
        const first = keyFrame(at, frame);
        this.#keys = { last: first, before: first };
        // The first frame of a range need not be a key frame, but stands for one.
        this.#before = this.#frames;
        this.#frames = this.#keyFrames(at);
        return { frame, found: [], settled: at, evidence: [] };
      }
      if (at - keys.last.at < apart) return { frame, found: [], settled: keys.before.at, evidence: [] };
      const change = this.#pass(keys, keyFrame(at, frame));
      if (change !== undefined) return this.#start(change, at);
      return { frame, found: [], settled: keys.last.at, evidence: [] };
    }
  }

  /** Takes up the next key frame; from where on it has to be looked for a change, if any. */
  #pass({ last, before }: Keys, seen: KeyFrame): number | undefined {
    const quick = unlikeness(last, seen) >= unlike;
    const slow = !quick && unlikeness(before, seen) >= unlikeInTwo;
    this.#keys = { last: seen, before: quick || slow ? seen : last };
    return quick ? last.at : slow ? before.at : undefined;
  }

  /** Decodes all frames from `from` on until boundaries before `until` are certain. */
  #start(from: number, until: number | null): Step | undefined {
    this.#frames.interrupt();
    this.#frames = this.#everyFrame(from);
    this.#run = {
      from,
      until,
      changed: false,
      alike: Number.POSITIVE_INFINITY,
      watch: new Watch(this.#options),
    };
    return this.#nextOfRun(this.#run);
  }

  #nextOfRun(run: Run): Step | undefined {
    const found: FoundBoundary[] = [];
    for (;;) {
      const frame = this.#frames.next();
      if (frame === undefined) return undefined;
      found.push(...run.watch.push(frame.at, frame.small()));
      if (frame.keyFrame || frame.at < (run.until ?? 0)) this.#compare(run, frame);
      if (frame.at <= this.#told) continue;
      run.changed ||= found.length > 0;
      const { settled } = run.watch;
      const evidence = run.watch.takeEvidence();
      if (run.until === null) return { frame, found, settled, evidence };
      const keys = this.#keys!;
      if (settled > (run.changed ? Math.min(run.until, run.alike) : run.until)) {
        this.#run = undefined;
        this.#before = this.#frames;
        this.#frames = this.#keyFrames(keys.last.at);
      }
      return { frame, found, settled: Math.min(settled, keys.before.at), evidence };
    }
  }

  /** A frame like the key frame ahead may shorten the way, a key frame unlike the last makes it longer. */
  #compare(run: Run, frame: VideoFrame): void {
    const { at } = frame;
    const keys = this.#keys;
    if (keys === undefined || run.until === null || (at >= keys.last.at && at - keys.last.at < apart)) return;
    const seen = keyFrame(at, frame);
    if (at < keys.last.at)
      run.alike = unlikeness(keys.last, seen) < unlike ? Math.min(run.alike, at) : Number.POSITIVE_INFINITY;
    else if (this.#pass(keys, seen) !== undefined) {
      run.until = at;
      run.alike = Number.POSITIVE_INFINITY;
    }
  }
}
