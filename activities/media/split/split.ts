/** One pass over a video: its scenes, each with the frame in the middle of its time, and where to go on from at any of them. */
import { type ModelRoom, ProblemError, type Scene, type VideoOptions } from '@darkroom/contract';
import { rounded, roundedSeconds } from '@darkroom/platform/rounded.ts';
import type { KeptFrame, VideoFrame, VideoReader } from '../decode/reader.ts';
import { Candidates } from './candidates.ts';
import type { SplitCursor } from './cursor.ts';
import { KeyFramesFirst } from './fast.ts';
import { type ClosedScene, Segmenter } from './segmenter.ts';
import { MOST_LINES, Statistics } from './statistics.ts';
import { EveryFrame, type Step, type Steps } from './steps.ts';

export type { SplitCursor } from './cursor.ts';

export interface SplitRequest {
  readonly options: VideoOptions;
  /** Of the model that the frames are for. */
  readonly room: ModelRoom;
  /** Memory for frames of which one may be the middle of a scene, bytes. */
  readonly candidateBytes: number;
}

export type SplitEvent =
  | {
      readonly type: 'scene';
      /** From 1. */
      readonly number: number;
      readonly scene: Scene;
      /** JPEG as shown, and PNG as the model takes it. */
      readonly image: Buffer;
      readonly input: Buffer;
      readonly width: number;
      readonly height: number;
      readonly cursor: SplitCursor;
      readonly statistics?: string | undefined;
    }
  | {
      readonly type: 'checkpoint';
      readonly at: number;
      readonly cursor: SplitCursor;
      /** Lines of the statistics, CSV, since the last event that had some: the part of the cursor's number. Absent where there are none. */
      readonly statistics?: string | undefined;
    }
  | {
      readonly type: 'progress';
      readonly at: number;
      /** Pictures decoded since the pass began; of these, those that were none to go on by: decoded before, or looked at for a scene's frame. */
      readonly decoded: number;
      readonly again: number;
    }
  | {
      readonly type: 'end';
      readonly at: number;
      readonly warnings: string[];
      readonly statistics?: string | undefined;
    };

/** Seconds of video, or milliseconds of work, after which the place is told, scenes or not. */
const checkpointEvery = 30;
const checkpointEveryMs = 60_000;
const progressEveryMs = 500;

/**
 * Splits from the beginning or from where an earlier pass with the same request stood. What follows a cursor is, but for `progress` and
 * checkpoints that come after long work, the same as what followed it in the pass that told it. Frames that were at hand then are decoded
 * again only if one is wanted. `now` in milliseconds; a `progress` that stays where the cursor stood tells of pictures decoded again.
 */
export function* split(
  reader: VideoReader,
  request: SplitRequest,
  cursor: SplitCursor | undefined,
  now: () => number = () => performance.now(),
): Generator<SplitEvent, void, undefined> {
  const pass = new Pass(reader, request, cursor, now);
  try {
    yield* pass.run();
  } finally {
    pass.close();
  }
}

/** Where the steps stand. */
type Standing = Pick<SplitCursor, 'fast' | 'fedFrom'>;

class Pass {
  readonly #reader: VideoReader;
  readonly #request: SplitRequest;
  readonly #steps: Steps;
  readonly #segmenter: Segmenter;
  readonly #candidates: Candidates<KeptFrame>;
  readonly #statistics: Statistics;
  /** Frames passed, by earlier passes and in all, pictures damaged among them, and the last of them. */
  readonly #first: number;
  #frames: number;
  #damaged: number;
  #reached: number;
  /** Of the last event with a cursor: seconds of the video, and when it was told. */
  #told: number | undefined;
  #toldMs: number;
  readonly #now: () => number;

  constructor(
    reader: VideoReader,
    request: SplitRequest,
    cursor: SplitCursor | undefined,
    now: () => number,
  ) {
    const { options, candidateBytes } = request;
    this.#reader = reader;
    this.#request = request;
    this.#steps =
      options.mode === 'fast'
        ? new KeyFramesFirst(reader, options, cursor)
        : new EveryFrame(reader, options, cursor);
    const remembered = cursor?.candidates.map(([index, at]) => ({ index, at }));
    const candidates = new Candidates<KeptFrame>(candidateBytes, remembered);
    this.#candidates = candidates;
    const { shortestScene: shortest, longestScene: longest, sampleEvery: every = null } = options;
    const samples = every !== null && {
      samples: { every, frameFrom: (time: number) => candidates.held.find(({ at }) => at >= time)?.at },
    };
    this.#segmenter = new Segmenter({ shortest, longest, ...samples }, cursor?.scenes);
    this.#statistics = new Statistics(cursor?.statistics);
    this.#first = cursor?.frames ?? 0;
    this.#frames = this.#first;
    this.#damaged = cursor?.damaged ?? 0;
    this.#reached = cursor?.reached ?? options.from;
    this.#told = cursor?.reached;
    this.#now = now;
    this.#toldMs = now();
  }

  *run(): Generator<SplitEvent, void, undefined> {
    let reported = this.#now();
    for (;;) {
      const before = this.#standing();
      const step = this.#steps.next();
      if (step === undefined) break;
      if (step !== 'again') yield* this.#pass(step, before);
      const now = this.#now();
      if (now - reported < progressEveryMs) continue;
      reported = now;
      const { decoded } = this.#reader;
      yield { type: 'progress', at: this.#reached, decoded, again: decoded - (this.#frames - this.#first) };
    }
    const before = this.#standing();
    const { found, end, evidence } = this.#steps.finish();
    const warnings = this.#warnings();
    this.#steps.interrupt();
    for (const scene of this.#segmenter.finish(found, end)) yield this.#deliver(scene, before);
    this.#statistics.add(evidence);
    if (this.#statistics.full) warnings.push(`The statistics have the first ${MOST_LINES} pictures.`);
    yield { type: 'end', at: this.#frames === 0 ? this.#reached : end, warnings, ...this.#statistics.take() };
  }

  close(): void {
    this.#steps.interrupt();
    this.#candidates.release();
  }

  *#pass(
    { frame, found, settled, evidence }: Step,
    before: Standing,
  ): Generator<SplitEvent, void, undefined> {
    const { at, bytes, damaged } = frame;
    this.#told ??= at;
    this.#segmenter.pass(at);
    // Looking elsewhere for the frame of a scene would lose this one.
    let kept: KeptFrame | undefined;
    for (const scene of this.#segmenter.advance(found, settled)) {
      if (this.#candidates.nearest(scene.at, scene.end)?.frame === undefined) kept ??= frame.keep();
      yield this.#deliver(scene, before);
    }
    this.#statistics.add(evidence);
    const candidate = { index: this.#frames, at, frame: kept ?? frame.keep() };
    this.#candidates.add(candidate, bytes, this.#segmenter.outlook(settled)!);
    this.#frames++;
    this.#damaged += damaged;
    this.#reached = at;
    if (at - this.#told < checkpointEvery && this.#now() - this.#toldMs < checkpointEveryMs) return;
    this.#told = at;
    this.#toldMs = this.#now();
    const part = this.#statistics.take();
    yield { type: 'checkpoint', at, cursor: this.#cursor(this.#standing()), ...part };
  }

  /** Of the whole video, at its end. */
  #warnings(): string[] {
    const count = this.#damaged + this.#reader.lost;
    const damaged = count === 0 ? [] : [`${count} ${count === 1 ? 'picture is' : 'pictures are'} damaged.`];
    const { cutOff, notes } = this.#reader;
    return [...damaged, ...(cutOff === undefined ? [] : [cutOff]), ...notes];
  }

  #deliver(closed: ClosedScene, before: Standing): SplitEvent {
    const { number, at: start, end, begins, score, transition, scene: of } = closed;
    const chosen = this.#candidates.nearest(start, end);
    const again = chosen?.frame === undefined ? this.#fetch(chosen?.at, start, end) : undefined;
    const frame = again ?? chosen?.frame;
    if (frame === undefined)
      throw new ProblemError(
        'damaged_video',
        `No picture between ${start.toFixed(3)} and ${end.toFixed(3)} s can be read.`,
      );
    const middle = (start + end) / 2;
    const scene: Scene = {
      ...(of !== undefined && { number: of }),
      start: roundedSeconds(start),
      end: roundedSeconds(end),
      begins,
      score: score === null ? null : rounded(score, 2),
      transition: transition && {
        from: roundedSeconds(transition.from),
        to: roundedSeconds(transition.to),
      },
      frame: { at: roundedSeconds(frame.at), pts: frame.pts, offset: roundedSeconds(frame.at - middle) },
    };
    const image = frame.jpeg();
    const input = frame.input(this.#request.room);
    const { width, height } = frame;
    again?.release();
    this.#told = this.#reached;
    this.#toldMs = this.#now();
    const part = this.#statistics.take();
    const cursor = this.#cursor(before);
    return { type: 'scene', number, scene, image, input, width, height, cursor, ...part };
  }

  /** Decodes a frame of a scene again: the one of the time `at`, or the nearest to the middle. */
  #fetch(at: number | undefined, start: number, end: number): KeptFrame | undefined {
    const wanted = at ?? (start + end) / 2;
    const distance = (frame: VideoFrame | KeptFrame) => Math.abs(frame.at - wanted);
    this.#steps.interrupt();
    let nearest: KeptFrame | undefined;
    for (const frame of this.#reader.frames(wanted)) {
      if (frame.at < start) continue;
      if (frame.at >= end || (nearest !== undefined && distance(frame) >= distance(nearest))) break;
      nearest?.release();
      nearest = frame.keep();
      if (frame.at >= wanted) break;
    }
    return nearest;
  }

  #standing(): Standing {
    const { state: fast, fedFrom } = this.#steps;
    return { fast, fedFrom };
  }

  #cursor(standing: Standing): SplitCursor {
    return {
      reached: this.#reached,
      frames: this.#frames,
      damaged: this.#damaged,
      scenes: this.#segmenter.state,
      candidates: this.#candidates.held.map(({ index, at }) => [index, at]),
      statistics: this.#request.options.statistics === true ? this.#statistics.state : null,
      ...standing,
    };
  }
}
