/** From boundaries to scenes: shortest and longest scene, in one pass with finite memory. Pure; times are seconds. */
import type { Boundary } from '@darkroom/contract';
import { roundedSeconds } from '@darkroom/platform/rounded.ts';
import { z } from 'zod';
import type { FoundBoundary } from '../scenes/scenes.ts';

/** Where a scene begins, and why. */
const mark = z.object({
  at: z.number(),
  begins: z.enum(['start', 'cut', 'fade', 'dissolve', 'wipe', 'divided'] satisfies Boundary[]),
  score: z.number().nullable(),
  transition: z.object({ from: z.number(), to: z.number() }).nullable(),
});
export type Mark = z.infer<typeof mark>;

/** All that a segmenter knows; JSON. */
export const segmenterState = z.object({
  /** Of the scene or part of one that runs, from 1. */
  number: z.int().positive(),
  scene: mark.nullable(),
  /** A boundary that a stronger one soon after it may still replace. */
  pending: mark.nullable(),
  /** The first frame after the scene has run as long as it may. */
  limit: z.number().nullable(),
  /** Where samples are asked for: number of the scene that runs, and where the part of it that runs begins (null: with the scene). */
  sampled: z.object({ scene: z.int().positive(), from: z.number().nullable() }).nullable().default(null),
});
export type SegmenterState = z.infer<typeof segmenterState>;

/** A scene whose end is certain; with samples, a part of one. */
export interface ClosedScene extends Omit<Mark, 'begins'> {
  readonly begins: Boundary;
  readonly number: number;
  readonly end: number;
  /** Number of the scene that it is a part of. */
  readonly scene?: number;
}

/** What can still become of the scene that runs and of the next one. */
export interface Outlook {
  readonly start: number;
  /** The middle of the scene lies here, should it end. Before `earliest` it lies no more. */
  readonly earliest: number;
  readonly latest: number;
  /** From here on a frame can be the middle of a scene whose beginning is not known yet. */
  readonly open: number;
}

export interface SceneLengths {
  readonly shortest: number;
  readonly longest: number;
  readonly samples?: Samples;
}

/** A scene is handed out in parts. */
export interface Samples {
  /** Seconds of a part. */
  readonly every: number;
  /** Time of the first frame at hand at or after a time. */
  frameFrom(time: number): number | undefined;
}

/**
 * Of two boundaries closer than `shortest` the stronger counts; the start always does, and so does the end. A scene that has run for
 * `longest` is divided there, unless a boundary or the end follows within `shortest`. (`shortest` counts as half of `longest` at most.)
 *
 * With samples a scene is handed out in parts as it becomes certain: a part ends after `every`, unless the scene ends within `shortest` (half of
 * `every` at most) of that, and each has a frame; where none was shown, as in a held picture, it goes on for another `every`.
 *
 * The state is whole whenever a scene is handed out: given the same boundaries again, one that is made from it goes on behind that scene.
 */
export class Segmenter {
  readonly #shortest: number;
  readonly #longest: number;
  readonly #samples: Samples | undefined;
  /** A part of a scene shorter than this stays with the one before it. */
  readonly #rest: number;
  readonly #state: SegmenterState;
  #now = Number.NEGATIVE_INFINITY;

  constructor({ shortest, longest, samples }: SceneLengths, state?: SegmenterState) {
    this.#shortest = Math.min(shortest, longest / 2);
    this.#longest = longest;
    this.#samples = samples;
    this.#rest = Math.min(shortest, (samples?.every ?? 0) / 2);
    const sampled = samples === undefined ? null : { scene: 1, from: null };
    this.#state = { ...(state ?? { number: 1, scene: null, pending: null, limit: null, sampled }) };
  }

  get state(): SegmenterState {
    return { ...this.#state };
  }

  /** Tells the time of the next frame; the first one begins the first scene. Told before `advance`. */
  pass(at: number): void {
    const state = this.#state;
    this.#now = at;
    state.scene ??= { at, begins: 'start', score: null, transition: null };
    state.limit ??= this.#limit((state.pending ?? state.scene).at);
  }

  /** Scenes that have become certain: `found` are boundaries in order, all before `settled` have been told. */
  *advance(found: readonly FoundBoundary[], settled: number): Generator<ClosedScene, void, undefined> {
    for (const boundary of found) {
      yield* this.#settle(boundary.at);
      this.#consider(boundary);
    }
    yield* this.#settle(settled);
  }

  /** The rest, when the video or range ends at `end`; `found` as before. */
  *finish(found: readonly FoundBoundary[], end: number): Generator<ClosedScene, void, undefined> {
    yield* this.advance(found, end);
    this.#state.pending = null;
    yield* this.#divide(end);
    if (this.#state.scene !== null && this.#state.scene.at < end) yield this.#close(end, null);
  }

  /** What frames are still needed for, all before `settled` being certain. */
  outlook(settled: number): Outlook | undefined {
    const { scene, pending, sampled } = this.#state;
    if (scene === null) return undefined;
    const start = sampled?.from ?? scene.at;
    // The part that runs ends within half a part of `ends`, unless a picture is held, and another begins there.
    const every = this.#samples?.every ?? Number.POSITIVE_INFINITY;
    const soonest = start + every / 2;
    const ends = start + every;
    if (pending !== null) {
      const lasts = pending.at + this.#shortest;
      const earliest = Math.min(soonest, (start + pending.at) / 2);
      if (this.#samples !== undefined) {
        const open = Math.max(start, Math.min(ends, pending.at - this.#rest));
        return { start, earliest: Math.min(earliest, open), latest: open, open };
      }
      const open = (pending.at + lasts) / 2;
      return { start, earliest, latest: (start + lasts) / 2, open };
    }
    const certain = Math.max(start, settled);
    const open = Math.min(ends, certain);
    return { start, earliest: Math.min(soonest, (start + certain) / 2), latest: open, open };
  }

  *#settle(time: number): Generator<ClosedScene, void, undefined> {
    const state = this.#state;
    for (;;) {
      const { pending } = state;
      yield* this.#divide(Math.min(pending?.at ?? state.limit ?? time, time));
      if (pending !== null) {
        // One as old as it can still be found, and takes its place.
        if (time <= pending.at || time - pending.at < this.#shortest) return;
        state.pending = null;
        yield this.#close(pending.at, pending);
      } else {
        if (state.limit === null || state.limit > time) return;
        this.#expect({ at: state.limit, begins: 'divided', score: null, transition: null });
      }
    }
  }

  /** Parts of the scene that runs, which goes on until `certain` at least. */
  *#divide(certain: number): Generator<ClosedScene, void, undefined> {
    const { scene, sampled } = this.#state;
    const samples = this.#samples;
    if (samples === undefined || scene === null || sampled === null) return;
    for (let from = sampled.from ?? scene.at; ; ) {
      const first = samples.frameFrom(from);
      if (first === undefined) return;
      const { every } = samples;
      let to = roundedSeconds(from + every * Math.max(1, Math.floor((first - from) / every)));
      while (to <= roundedSeconds(first)) to = roundedSeconds(to + every);
      const next = samples.frameFrom(to);
      if (to + this.#rest > certain || next === undefined || next >= certain) return;
      const part = this.#part(to);
      this.#state.sampled = { ...sampled, from: to };
      from = to;
      yield part;
    }
  }

  #consider({ at, kind, score, transition }: FoundBoundary): void {
    const state = this.#state;
    if (state.scene === null) return;
    const { pending, scene } = state;
    // Told twice where a pass goes on from before it.
    if (at <= scene.at || (pending !== null && at < pending.at)) return;
    if (pending !== null ? score <= (pending.score ?? 0) : at - scene.at < this.#shortest) return;
    this.#expect({ at, begins: kind, score, transition: kind === 'cut' ? null : transition });
  }

  #expect(next: Mark): void {
    this.#state.pending = next;
    this.#state.limit = this.#limit(next.at);
  }

  /** No frame before the present one reaches it: a detector is less than half a longest scene behind. */
  #limit(start: number): number | null {
    return this.#now >= start + this.#longest ? this.#now : null;
  }

  #close(end: number, next: Mark | null): ClosedScene {
    const closed = this.#part(end);
    const { sampled } = this.#state;
    this.#state.scene = next;
    if (sampled !== null) this.#state.sampled = { scene: sampled.scene + 1, from: null };
    return closed;
  }

  /** What runs and ends at `end`: the scene, or the part of it. */
  #part(end: number): ClosedScene {
    const { number, scene, sampled } = this.#state;
    if (scene === null) throw new Error('a scene ends that has not begun');
    this.#state.number++;
    if (sampled === null) return { ...scene, number, end };
    const begins =
      sampled.from === null
        ? scene
        : { at: sampled.from, begins: 'sample' as const, score: null, transition: null };
    return { ...begins, number, end, scene: sampled.scene };
  }
}
