/** The activities of video recognition on the side of the video: what gives probe, split and publish their storage and ledger. */
import { createHash } from 'node:crypto';
import {
  type ManifestFile,
  type MediaSource,
  type ModelRoom,
  type Page,
  ProblemError,
  type SplitPage,
  type VideoOptions,
  videoInfo,
  videoOptions,
} from '@darkroom/contract';
import { type Attempt, type FrameDeps, jobActivity, publishJob, workPage } from '@darkroom/frame';
import { failpoint } from '@darkroom/platform';
import {
  type CheckpointRow,
  getCheckpoint,
  neededObjects,
  openCheckpoint,
  pinVideo,
  readPage,
} from '@darkroom/records';
import { z } from 'zod';
import { probeVideo } from './process/child.ts';
import { rangeSource } from './process/source.ts';
import { publishedFiles } from './published.ts';
import { reportStanding, splitInto } from './split-activity.ts';

export type MediaActivities = ReturnType<typeof mediaActivities>;

/** What the last checkpoint of a split tells. */
const splitEnd = z.object({ warnings: z.array(z.string()) });

/** Raised whenever the same video with the same options would give other scenes or other bytes. */
const splitVersion = 1;
/** Scenes of a page at most; small enough that they are soon recognised. */
const scenesInPage = 24;

export function mediaActivities(deps: FrameDeps) {
  return {
    /** Reads what the file says of itself; a file that cannot be analysed fails the job by its own reason. */
    probeVideo: jobActivity(deps, async (attempt): Promise<void> => {
      const page: Page = { from: 1, to: 2 };
      await workPage(attempt, page, {
        stage: 'probe',
        lastStage: 'probe',
        concurrency: 1,
        budgetMs: 0,
        inputDigest: (item) => digestOf('probe', item.input as MediaSource),
        work: async (item, { signal }) => {
          const source = item.input as MediaSource;
          await failpoint('video.probe', source.filename);
          const info = await probeVideo(rangeSource(deps.storage, source), {
            limits: limitsOf(deps),
            signal,
          });
          const key = `recognition-results/${item.jobId}/video.json`;
          const body = Buffer.from(JSON.stringify(info));
          return {
            objects: [{ key, path: 'video.json', body, contentType: 'application/json' }],
            record: async (tx) => {
              await pinVideo(tx, attempt.fence, info);
            },
          };
        },
      });
      const [item] = await readPage(deps.records.db, attempt.call.jobId, 'probe', page.from, page.to);
      if (item?.problem) throw new ProblemError(item.problem.code, item.problem.detail);
    }),

    /**
     * The scenes from number `from` on: those that the ledger has already, or as many as are found within a page's time. What is found
     * is in the ledger with the place to go on from, so that another attempt or run does.
     */
    splitVideo: jobActivity(deps, async (attempt, from: number, room: ModelRoom): Promise<SplitPage> => {
      const options = videoOptions.parse(attempt.job.input);
      const info = videoInfo.parse(attempt.job.pinned?.video);
      const source = await sourceOf(attempt);
      const checkpoint = await openCheckpoint(deps.records.db, attempt.fence, {
        stage: 'split',
        itemStage: 'recognise',
        digest: digestOf('split', source, splitVersion, optionsOfSplit(options), room),
      });
      if (checkpoint.done || checkpoint.found >= from) {
        reportStanding(attempt, { info, options }, checkpoint);
        return pageOf(checkpoint, from);
      }
      const stands = await splitInto(attempt, checkpoint, {
        source,
        info,
        request: { options, room, candidateBytes: deps.config.media.candidateBytes },
        limits: limitsOf(deps),
        scenes: scenesInPage,
      });
      return pageOf(stands, from);
    }),

    publishVideo: jobActivity(deps, async (attempt, written: readonly ManifestFile[]) => {
      const { storage, records } = deps;
      const { jobId } = attempt.call;
      const info = videoInfo.parse(attempt.job.pinned?.video);
      const { objects, result } = await publishedFiles(attempt, { info });
      const ended = splitEnd.parse((await getCheckpoint(records.db, jobId, 'split'))?.cursor);
      // Of scenes that are done nobody needs the model's inputs any more.
      await storage.removePrefix(`frame-inputs/${jobId}/`, {
        keep: new Set(await neededObjects(records.db, jobId)),
        signal: attempt.signal,
      });
      return publishJob(attempt, { stage: 'recognise', objects, written, result, ...ended });
    }),
  };
}

const limitsOf = ({ config }: FrameDeps) => ({
  memoryBytes: config.media.memoryBytes,
  stallSeconds: config.media.stallSeconds,
  seconds: config.limits.videoSeconds,
  pixels: config.limits.videoPixels,
});

async function sourceOf(attempt: Attempt): Promise<MediaSource> {
  const [item] = await readPage(attempt.deps.records.db, attempt.call.jobId, 'probe', 1, 2);
  if (item === undefined) throw new Error('A video task has its video as the item of its first stage.');
  return item.input as MediaSource;
}

/** The options that scenes and their frames depend on. */
function optionsOfSplit(options: VideoOptions) {
  const { mode, from, to, shortestScene, longestScene, cutThreshold, gradual } = options;
  return { mode, from, to, shortestScene, longestScene, cutThreshold, gradual };
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
