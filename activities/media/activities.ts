/** The activities of video recognition on the side of the video: what gives probe, split and publish their storage and ledger. */
import { createHash } from 'node:crypto';
import { pinVideo } from '@darkroom/analysis';
import {
  type ManifestFile,
  type MediaSource,
  type ModelRoom,
  ProblemError,
  type SplitPage,
  type VideoInfo,
  type VideoOptions,
  videoInfo,
  videoOptions,
} from '@darkroom/contract';
import {
  type Attempt,
  type FrameDeps,
  jobActivity,
  ObjectTable,
  publishJob,
  redoMissing,
  workStage,
} from '@darkroom/frame';
import { failpoint } from '@darkroom/platform';
import {
  allNeeded,
  type CheckpointRow,
  getCheckpoint,
  getStage,
  openCheckpoint,
  readPage,
} from '@darkroom/records';
import { formatUri, rangeSource } from '@darkroom/storage';
import { z } from 'zod';
import { openPreviews } from './previews/previews.ts';
import { probeNamed } from './process/child.ts';
import { publishedFiles } from './published.ts';
import { KeptPasses } from './split/kept-passes.ts';
import { reportStanding, requireFewFrames, splitInto, statisticsPart } from './split-activity.ts';

export type MediaActivities = ReturnType<typeof mediaActivities>;

/** What the last checkpoint of a split tells. */
const splitEnd = z.object({ warnings: z.array(z.string()), statisticsParts: z.int().default(0) });

/** Raised whenever the same video with the same options would give other scenes or other bytes. */
const splitVersion = 3;
/** Scenes of a page at most; small enough that they are soon recognised. */
const scenesInPage = 24;
/** Milliseconds that a decoder waits for the next page of its video, and between two questions whether there will be one. */
const keptMs = { idleMs: 60_000, askMs: 1000 };

/** `atEnd` takes what is to be done when the worker has stopped. */
export function mediaActivities(deps: FrameDeps, atEnd?: (work: () => Promise<void>) => void) {
  const kept = new KeptPasses({ most: deps.config.media.keptProcesses, ...keptMs });
  atEnd?.(() => kept.close());
  const previews = openPreviews(deps.config);
  atEnd?.(() => previews.close());
  return {
    /** Reads what the file says of itself; a file that cannot be analysed fails the job by its own reason. */
    probeVideo: jobActivity(deps, async (attempt): Promise<void> => {
      await workStage(attempt, {
        digest: (source) => digestOf('probe', source as MediaSource),
        result: videoInfo,
        work: async ({ input, signal }) => {
          const source = input as MediaSource;
          await failpoint('video.probe', source.filename);
          const bytes = rangeSource(deps.storage, source);
          return probeNamed(source.filename, bytes, { limits: limitsOf(deps), signal });
        },
        record: async (tx, info) => {
          await pinVideo(tx, attempt.fence, info);
        },
      });
    }),

    /**
     * The scenes from number `from` on: those that the ledger has already, or as many as are found within a page's time. What is found
     * is in the ledger with the place to go on from, so that another attempt or run does.
     */
    splitVideo: jobActivity(deps, async (attempt, from: number, room: ModelRoom): Promise<SplitPage> => {
      const options = videoOptions.parse(attempt.job.input);
      const info = videoInfo.parse(attempt.job.pinned?.video);
      const source = await sourceOf(attempt);
      const checkpoint = await openCheckpoint(
        deps.records.db,
        attempt.fence,
        {
          stage: 'split',
          itemStage: 'recognise',
          digest: digestOf('split', source, splitVersion, optionsOfSplit(options), room),
        },
        attempt.kind,
      );
      if (checkpoint.done || checkpoint.found >= from) {
        reportStanding(attempt, { info, options }, checkpoint);
        return pageOf(checkpoint, from);
      }
      requireFewFrames(options, info, deps.config.limits.videoScenes);
      const stands = await splitInto(attempt, checkpoint, {
        source,
        info,
        request: { options, room, candidateBytes: deps.config.media.candidateBytes },
        limits: limitsOf(deps),
        scenes: scenesInPage,
        kept,
      });
      return pageOf(stands, from);
    }),

    publishVideo: jobActivity(deps, async (attempt, written: readonly ManifestFile[]) => {
      const { storage, records } = deps;
      const { jobId } = attempt.call;
      const info = videoInfo.parse(attempt.job.pinned?.video);
      const split = await getCheckpoint(records.db, jobId, 'split');
      // An attempt that died may have found that the scenes have to be looked for again.
      if (split?.done !== true) return { missing: 1 };
      if (split.found === 0) throw nothingBetween(videoOptions.parse(attempt.job.input), info);
      // The frames are read for what is published of them all.
      const missing = await redoMissing(attempt, written);
      if (missing > 0) return { missing };
      const { warnings, statisticsParts } = splitEnd.parse(split.cursor);
      const { objects, result } = await publishedFiles(attempt, { info, statisticsParts, previews });
      /** Of scenes that are done nobody needs the model's inputs any more. */
      const tidy = async (): Promise<void> => {
        const keep = new ObjectTable();
        for await (const uri of allNeeded(records.db, jobId)) keep.add(uri);
        // A resume publishes them again.
        for (let n = 1; n <= statisticsParts; n++)
          keep.add(formatUri({ bucket: storage.bucket, key: statisticsPart(jobId, n) }));
        const { assertHeld, signal } = attempt;
        await storage.removePrefix(`frame-inputs/${jobId}/`, { keep, assertHeld, signal });
      };
      return publishJob(attempt, { stage: 'recognise', objects, written, result, tidy, warnings });
    }),
  };
}

/** A range that begins behind the last picture is told by the pass over it: what a file says of its length may be wrong. */
function nothingBetween({ from, to }: VideoOptions, { seconds }: VideoInfo): ProblemError {
  const length = seconds === null ? '' : ` It is ${seconds} s long.`;
  return new ProblemError(
    'empty_range',
    `No picture of the video lies between second ${from} and ${to === undefined ? 'its end' : `second ${to}`}.${length}`,
  );
}

const limitsOf = ({ config }: FrameDeps) => ({
  memoryBytes: config.media.memoryBytes,
  stallSeconds: config.media.stallSeconds,
  ...config.lane,
  seconds: config.limits.videoSeconds,
  pixels: config.limits.videoPixels,
});

async function sourceOf({ deps, call }: Attempt): Promise<MediaSource> {
  const { db } = deps.records;
  const stage = await getStage(db, call.jobId, 'probe');
  // A run of a version before has probed its video as an item.
  const [item] = stage?.input ? [] : await readPage(db, call.jobId, 'probe', 1, 2);
  const source = stage?.input ?? item?.input;
  if (source === undefined) throw new Error('A video task has its video as what its first stage is made of.');
  return source as MediaSource;
}

/** The options that scenes and their frames depend on. */
function optionsOfSplit(options: VideoOptions) {
  const { mode, from, to, shortestScene, longestScene, cutThreshold, gradual, sampleEvery, statistics } =
    options;
  // Absent where they are not asked for, so that digests of before stay equal.
  const samples = typeof sampleEvery === 'number' && { sampleEvery };
  return { mode, from, to, shortestScene, longestScene, cutThreshold, gradual, ...samples, statistics };
}

function digestOf(what: string, { etag, bytes }: MediaSource, ...more: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify([what, etag, bytes, ...more]))
    .digest('hex');
}

function pageOf({ found, done }: Pick<CheckpointRow, 'found' | 'done'>, from: number): SplitPage {
  const to = Math.min(found + 1, from + scenesInPage);
  return { from, to: Math.max(from, to), done: done && to > found };
}
