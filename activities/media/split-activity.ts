/** The split of an attempt: scenes are stored as they are found, each with the place to go on from; a child that dies is followed by another. */
import { crc32 } from 'node:zlib';
import {
  type FrameSource,
  type MediaSource,
  ProblemError,
  type VideoInfo,
  type VideoOptions,
} from '@darkroom/contract';
import { type Attempt, folderOf, saveFound } from '@darkroom/frame';
import { LaneEnded } from '@darkroom/lane';
import { failpoint, releaseMemory } from '@darkroom/platform';
import { type CheckpointRow, type FoundItem, getCheckpoint, getJob } from '@darkroom/records';
import { rangeSource } from '@darkroom/storage';
import { z } from 'zod';
import { type DecoderLimits, mostDeaths, splitVideo } from './process/child.ts';
import { type SplitCursor, splitCursor } from './split/cursor.ts';
import { type KeptPasses, type Pictures, SplitPass } from './split/kept-passes.ts';
import { PageTime } from './split/page-time.ts';
import type { SplitEvent, SplitRequest } from './split/split.ts';

/** Where part `n` of a job's statistics lies until it is published, and as long as it may be again. */
export const statisticsPart = (jobId: string, n: number): string =>
  `frame-inputs/${jobId}/statistics/${folderOf(n)}${n}.csv`;

export interface SplitWork {
  readonly source: MediaSource;
  readonly info: VideoInfo;
  readonly request: SplitRequest;
  readonly limits: DecoderLimits;
  /** Scenes of a page at most. */
  readonly scenes: number;
  /** Where passes wait for the next page of their job. */
  readonly kept: KeptPasses;
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
      const died = error instanceof LaneEnded;
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
  readonly #first: number;
  /** What a pass under way was made of, beside its place. */
  readonly #name: string;
  #time: PageTime | undefined;
  #cursor: SplitCursor | undefined;
  #found: number;

  constructor(attempt: Attempt, checkpoint: CheckpointRow, work: SplitWork) {
    this.#attempt = attempt;
    this.#work = work;
    this.#cursor = checkpoint.cursor === null ? undefined : splitCursor.parse(checkpoint.cursor);
    this.#found = checkpoint.found;
    this.#first = checkpoint.found;
    this.#name = JSON.stringify([attempt.call.jobId, attempt.call.run, checkpoint.digest]);
    this.reached = this.#cursor?.reached ?? work.request.options.from;
  }

  /** Reads a pass until the page is done, and leaves it for the next one. */
  async run(): Promise<Standing> {
    this.#attempt.log.line('info', `split: from ${this.reached.toFixed(3)} s`);
    this.#report(this.reached);
    const kept = await this.#work.kept.take(this.#name, placeOf(this.#cursor));
    const pass = kept ?? this.#open();
    const before = pass.pictures;
    this.#time ??= new PageTime(kept !== undefined);
    let goesOn = false;
    try {
      const done = await this.#read(pass);
      this.#attempt.log.line(
        'info',
        `split: to ${this.reached.toFixed(3)} s, ${decodedSince(before, pass.pictures)}`,
      );
      goesOn = !done;
      return { found: this.#found, done };
    } finally {
      if (goesOn) await this.#keep(pass);
      else await pass.end();
    }
  }

  #open(): SplitPass {
    const { source, request, limits } = this.#work;
    return new SplitPass((signal, onChild) =>
      splitVideo(
        rangeSource(this.#attempt.deps.storage, source),
        { ...request, ...(this.#cursor && { cursor: this.#cursor }) },
        {
          limits,
          signal,
          onChild: (pid) => {
            onChild(pid);
            void failpoint('video.child', source.filename, pid);
          },
        },
      ),
    );
  }

  /** Reads on until the page is done; true when the video is. */
  async #read(pass: SplitPass): Promise<boolean> {
    const time = this.#time;
    // One scene is stored while the next is decoded.
    let storing: Promise<void> = Promise.resolve();
    try {
      for await (const event of pass.page(this.#attempt.signal)) {
        if (event.type !== 'progress' || event.at > this.reached) time?.passed();
        if (event.type === 'progress') {
          this.#report(event.at);
          await failpoint('video.decode', event.at.toFixed(3), pass.pid);
          continue;
        }
        await storing;
        if (event.type === 'end') {
          for (const warning of event.warnings) this.#attempt.log.line('warn', `split: ${warning}`);
          const { warnings, statistics } = event;
          const before = this.#cursor?.statistics?.parts ?? 0;
          const statisticsParts = statistics === undefined ? before : before + 1;
          await this.#storePart(statistics, statisticsParts);
          await this.#save([], { ...this.#cursor, reached: event.at, warnings, statisticsParts }, true);
          this.#report(event.at, true);
          return true;
        }
        storing = event.type === 'scene' ? this.#store(event, pass.pid) : this.#storePlace(event);
        // Awaited before the next event; until then its failure is nobody's.
        storing.catch(() => {});
        this.#report(event.cursor.reached);
        if (event.type === 'scene' && this.#found + 1 - this.#first >= this.#work.scenes) break;
        if (time?.over) break;
      }
    } finally {
      await storing.catch(() => {});
    }
    await storing;
    return false;
  }

  /** Leaves a pass to the next page, as long as the job's run goes on from where it stands. */
  #keep(pass: SplitPass): Promise<void> {
    const { db } = this.#attempt.deps.records;
    const { jobId, run } = this.#attempt.call;
    const place = placeOf(this.#cursor);
    return this.#work.kept.keep(this.#name, place, pass, async () => {
      const [known, checkpoint] = await Promise.all([getJob(db, jobId), getCheckpoint(db, jobId, 'split')]);
      if (known?.job.run !== run || known.job.state !== 'running' || checkpoint === undefined) return false;
      return !checkpoint.done && placeOf(splitCursor.parse(checkpoint.cursor)) === place;
    });
  }

  /** The two pictures first, then the row that makes the scene an item, with the cursor behind it. */
  async #store(event: Extract<SplitEvent, { type: 'scene' }>, child: number): Promise<void> {
    const { deps, call, signal } = this.#attempt;
    const { number, scene, image, input, width, height } = event;
    if (number > deps.config.limits.videoScenes) {
      throw new ProblemError(
        'too_many_items',
        tooMany(this.#work.request.options, deps.config.limits.videoScenes),
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
      this.#storePart(event.statistics, event.cursor.statistics?.parts),
    ]);
    await failpoint('video.scene-written', String(number));
    const imageCrc32 = crc32(image);
    releaseMemory(image);
    releaseMemory(input);
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

  async #storePlace({ cursor, statistics }: Extract<SplitEvent, { type: 'checkpoint' }>): Promise<void> {
    await this.#storePart(statistics, cursor.statistics?.parts);
    await this.#save([], cursor, false);
  }

  /** Before the cursor that counts it: another attempt that goes on from the one before writes the same again. */
  async #storePart(text: string | undefined, number = 0): Promise<void> {
    if (text === undefined) return;
    const { deps, call, signal } = this.#attempt;
    await this.#attempt.assertHeld();
    const options = { contentType: 'text/csv', signal };
    await deps.storage.putBytes(statisticsPart(call.jobId, number), Buffer.from(text), options);
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

const decodedSince = (before: Pictures, now: Pictures): string =>
  `${now.decoded - before.decoded} pictures decoded, ${now.again - before.again} of them again`;

/**
 * Throws ProblemError `too_many_items` where so many frames are asked for, by the length that the file tells, that the split would come to
 * nothing after all its work.
 */
export function requireFewFrames(options: VideoOptions, info: VideoInfo, most: number): void {
  const seconds = secondsOf(info, options);
  const { sampleEvery = null } = options;
  if (sampleEvery === null || seconds === undefined || seconds / sampleEvery <= most) return;
  throw new ProblemError('too_many_items', tooMany(options, most));
}

const tooMany = ({ sampleEvery = null }: VideoOptions, most: number): string =>
  sampleEvery === null
    ? `The video has more than ${most} scenes (LIMIT_VIDEO_SCENES).`
    : `A frame every ${sampleEvery} s makes more than ${most} of the video (LIMIT_VIDEO_SCENES). Ask for fewer: a larger sampleEvery.`;

/** A place in a video, equal for equal places. */
const placeOf = (cursor: SplitCursor | undefined): string =>
  cursor === undefined ? '' : JSON.stringify(splitCursor.parse(cursor));

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
