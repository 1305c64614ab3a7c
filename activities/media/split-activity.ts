/** The split of an attempt: scenes are stored as they are found, each with the place to go on from; a child that dies is followed by another. */
import { crc32 } from 'node:zlib';
import {
  type FrameSource,
  type MediaSource,
  ProblemError,
  type VideoInfo,
  type VideoOptions,
} from '@darkroom/contract';
import { type Attempt, saveFound } from '@darkroom/frame';
import { failpoint, releaseMemory } from '@darkroom/platform';
import type { CheckpointRow, FoundItem } from '@darkroom/records';
import { z } from 'zod';
import { ChildDied, ChildStalled, type DecoderLimits, splitVideo } from './process/child.ts';
import { rangeSource } from './process/source.ts';
import { type SplitCursor, splitCursor } from './split/cursor.ts';
import type { SplitEvent, SplitRequest } from './split/split.ts';

/** A page ends after this long at the next checkpoint, so that what it found is recognised while the rest is split. */
const pageBudgetMs = 20_000;
/** Deaths of the child at one place before it is the video's own fault. */
const mostDeaths = 3;

export interface SplitWork {
  readonly source: MediaSource;
  readonly info: VideoInfo;
  readonly request: SplitRequest;
  readonly limits: DecoderLimits;
  /** Scenes of a page at most. */
  readonly scenes: number;
}

type Asked = { readonly info: VideoInfo; readonly options: VideoOptions };

type Standing = Pick<CheckpointRow, 'found' | 'done'>;

/**
 * Splits on from `checkpoint` until the page is full, its time is up, or the video ends; returns where the split stands then.
 * Throws ProblemError `poisonous_item` when the child dies again and again without getting on.
 */
export async function splitInto(
  attempt: Attempt,
  checkpoint: CheckpointRow,
  work: SplitWork,
): Promise<Standing> {
  const page = new SplitPageWork(attempt, checkpoint, work);
  for (let deaths = 0; ; ) {
    const before = page.moves;
    try {
      return await page.run();
    } catch (error) {
      const died = error instanceof ChildDied || error instanceof ChildStalled;
      if (!died || attempt.signal.aborted) throw error;
      deaths = page.moves > before ? 1 : deaths + 1;
      attempt.log.line('warn', `split: ${error.message} Going on from ${page.reached.toFixed(1)} s.`);
      if (deaths >= mostDeaths) {
        throw new ProblemError(
          'poisonous_item',
          `The decoding process ended ${deaths} times after ${page.reached.toFixed(1)} s of the video: ${error.message}`,
        );
      }
    }
  }
}

/** One page of a split, over as many children as it takes. */
class SplitPageWork {
  /** Checkpoints written, so that progress between two deaths shows. */
  moves = 0;
  reached: number;
  readonly #attempt: Attempt;
  readonly #work: SplitWork;
  readonly #until = Date.now() + pageBudgetMs;
  readonly #first: number;
  #cursor: SplitCursor | undefined;
  #found: number;

  constructor(attempt: Attempt, checkpoint: CheckpointRow, work: SplitWork) {
    this.#attempt = attempt;
    this.#work = work;
    this.#cursor = checkpoint.cursor === null ? undefined : splitCursor.parse(checkpoint.cursor);
    this.#found = checkpoint.found;
    this.#first = checkpoint.found;
    this.reached = this.#cursor?.reached ?? work.request.options.from;
  }

  /** Reads the child's events until the page is done. Leaving the loop ends the child. */
  async run(): Promise<Standing> {
    const { source, request, limits } = this.#work;
    const { signal, deps } = this.#attempt;
    let child = 0;
    this.#attempt.log.line('info', `split: from ${this.reached.toFixed(3)} s`);
    this.#report(this.reached);
    // One scene is stored while the next is decoded.
    let storing: Promise<void> = Promise.resolve();
    const events = splitVideo(
      rangeSource(deps.storage, source),
      { ...request, ...(this.#cursor && { cursor: this.#cursor }) },
      {
        limits,
        signal,
        onChild: (pid) => {
          child = pid;
          void failpoint('video.child', source.filename, pid);
        },
      },
    );
    try {
      for await (const event of events) {
        if (event.type === 'progress') {
          this.#report(event.at);
          await failpoint('video.decode', event.at.toFixed(3), child);
          continue;
        }
        await storing;
        if (event.type === 'end') {
          for (const warning of event.warnings) this.#attempt.log.line('warn', `split: ${warning}`);
          await this.#save([], { ...this.#cursor, reached: event.at, warnings: event.warnings }, true);
          this.#report(event.at, true);
          return { found: this.#found, done: true };
        }
        storing = event.type === 'scene' ? this.#store(event, child) : this.#save([], event.cursor, false);
        // Awaited before the next event; until then its failure is nobody's.
        storing.catch(() => {});
        this.#report(event.cursor.reached);
        if (event.type === 'scene' && this.#found + 1 - this.#first >= this.#work.scenes) break;
        if (Date.now() > this.#until) break;
      }
    } finally {
      await storing.catch(() => {});
    }
    await storing;
    return { found: this.#found, done: false };
  }

  /** The two pictures first, then the row that makes the scene an item, with the cursor behind it. */
  async #store(event: Extract<SplitEvent, { type: 'scene' }>, child: number): Promise<void> {
    const { deps, call, signal } = this.#attempt;
    const { number, scene, image, input, width, height } = event;
    if (number > deps.config.limits.videoScenes) {
      throw new ProblemError(
        'too_many_items',
        `The video has more than ${deps.config.limits.videoScenes} scenes (LIMIT_VIDEO_SCENES).`,
      );
    }
    await failpoint('video.scene', String(number), child);
    await this.#attempt.assertHeld();
    const [stored, placed] = await Promise.all([
      deps.storage.putBytes(`scene-images/${call.jobId}/image_${number}.jpg`, image, {
        contentType: 'image/jpeg',
        signal,
      }),
      deps.storage.putBytes(`frame-inputs/${call.jobId}/${number}.png`, input, {
        contentType: 'image/png',
        signal,
      }),
    ]);
    await failpoint('video.scene-written', String(number));
    const imageCrc32 = crc32(image);
    releaseMemory(image, input);
    const source: FrameSource = {
      filename: this.#work.source.filename,
      scene,
      imageUri: stored.uri,
      inputUri: placed.uri,
      imageSha256: stored.sha256,
      inputSha256: placed.sha256,
      imageBytes: stored.size,
      imageCrc32,
      width,
      height,
    };
    const needs = [stored.uri, placed.uri];
    await this.#save([{ ordinal: number, key: String(number), input: source, needs }], event.cursor, false);
    await failpoint('video.scene-saved', String(number), child);
  }

  async #save(items: readonly FoundItem[], cursor: object, done: boolean): Promise<void> {
    await saveFound(this.#attempt, {
      stage: 'split',
      itemStage: 'recognise',
      cursor,
      items,
      done,
    });
    this.#cursor = cursor as SplitCursor;
    this.#found = items.at(-1)?.ordinal ?? this.#found;
    this.moves++;
  }

  #report(at: number, ended = false): void {
    this.reached = Math.max(this.reached, at);
    const { request, info } = this.#work;
    reportSplit(this.#attempt, { info, options: request.options }, at, ended);
  }
}

/** Shows a split that stands at `at` seconds as seconds of those that are asked for. */
function reportSplit({ progress }: Attempt, { info, options }: Asked, at: number, ended: boolean): void {
  const passed = Math.max(0, Math.ceil(at - options.from));
  const length = secondsOf(info, options);
  const total = length === undefined ? null : Math.max(1, Math.ceil(length));
  // What a file says of its length need not be true; at the end it is known.
  if (ended) progress.counts('split', total ?? passed, total ?? passed);
  else progress.counts('split', total === null ? passed : Math.min(total, passed), total);
}

/** Shows where an earlier attempt or run has brought the split. */
export function reportStanding(attempt: Attempt, asked: Asked, { cursor, done }: CheckpointRow): void {
  const { reached } = standing.parse(cursor ?? { reached: asked.options.from });
  reportSplit(attempt, asked, reached, done);
}
const standing = z.object({ reached: z.number() });

/** Seconds that are to be analysed, where the length is known. */
function secondsOf({ seconds }: VideoInfo, { from, to }: VideoOptions): number | undefined {
  const end = to === null ? seconds : Math.min(to, seconds ?? to);
  return end === null ? undefined : Math.max(0, end - from);
}
