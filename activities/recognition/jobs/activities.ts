/** The activities of recognition, in photos and in the frames of videos: what gives the pure core its storage, ledger, heartbeat and cancellation. */
import { labelSummary, pinModel } from '@darkroom/analysis';
import {
  type AnalysisOptions,
  analysisOptions,
  type ManifestFile,
  type MediaSource,
  type ModelRoom,
  type Page,
} from '@darkroom/contract';
import {
  type Attempt,
  type FrameDeps,
  type ItemOutcome,
  type ItemTools,
  jobActivity,
  publishJob,
  putFiles,
  workPage,
} from '@darkroom/frame';
import { unlessAborted } from '@darkroom/lane';
import { modelsNow } from '@darkroom/models';
import { failpoint } from '@darkroom/platform';
import type { ItemRow } from '@darkroom/records';
import type { RecogniseOptions, Recogniser } from '../lane/recogniser.ts';
import type { Understanding } from '../model/understanding/understand.ts';
import { type Stage, stages } from '../stages.ts';
import {
  frameDigest,
  frameOf,
  type Recognising,
  recogniseFrame,
  recognitionOptions,
} from './frame-activities.ts';
import { publishedExports } from './published.ts';
import { outcomeOf, photoDigest, wantedOf } from './recognised.ts';
import { requireModel } from './require-model.ts';

export type RecognitionActivities = ReturnType<typeof recognitionActivities>;

/** How a page of photos or frames is worked on. */
const pageWork = {
  stage: 'recognise',
  lastStage: 'publish',
  /** In hand at once: while one is inferred, the next is decoded and the last one drawn. */
  concurrency: 3,
} as const;

export function recognitionActivities(deps: FrameDeps, recogniser: Recogniser) {
  const modelFor = (attempt: Attempt, options: AnalysisOptions): Promise<Understanding> => {
    const { db } = deps.records;
    return requireModel(options, attempt.job.pinned?.model, {
      model: (version) => unlessAborted(recogniser.model(version), attempt.signal),
      now: () => modelsNow(db),
      pin: (identity) => pinModel(db, attempt.fence, identity),
    });
  };

  const publish = async (attempt: Attempt) => {
    const { db } = deps.records;
    return publishJob(attempt, {
      stage: 'recognise',
      objects: publishedExports(db, { jobId: attempt.call.jobId, media: 'photo' }),
      result: { labels: await labelSummary(db, attempt.call.jobId) },
    });
  };

  return {
    analysePhotos: jobActivity(deps, async (attempt, page: Page) => {
      const options = analysisOptions.parse(attempt.job.input);
      const opened = await modelFor(attempt, options);
      return workPage(attempt, page, {
        ...pageWork,
        inputDigest: (item) => photoDigest(photoOf(item), options, opened),
        work: (item, tools) =>
          analysePhoto(attempt, { recogniser, model: opened.identity, options }, item, tools),
        publish: () => publish(attempt),
      });
    }),

    /** The room the model has for a picture, so that frames are resized for it where they are decoded. Pins the model. */
    modelRoom: jobActivity(deps, async (attempt): Promise<ModelRoom> => {
      const { input } = await modelFor(attempt, recognitionOptions(attempt.job.input));
      const { width, height, fit } = input;
      return { width, height, fit };
    }),

    analyseFrames: jobActivity(deps, async (attempt, page: Page) => {
      const options = recognitionOptions(attempt.job.input);
      const opened = await modelFor(attempt, options);
      return workPage(attempt, page, {
        ...pageWork,
        // The pages are two already, and the split that they run beside takes the cores: more in hand would only hold memory.
        concurrency: 1,
        inputDigest: (item) => frameDigest(frameOf(item), options, opened),
        work: (item, tools) =>
          recogniseFrame(attempt, { recogniser, model: opened.identity, options }, item, tools),
      });
    }),

    /** Writes the exports of a video task, which another capability publishes. */
    exportFindings: jobActivity(deps, async (attempt): Promise<ManifestFile[]> => {
      await attempt.assertHeld();
      const task = { jobId: attempt.call.jobId, media: 'video' } as const;
      return putFiles(attempt, publishedExports(deps.records.db, task));
    }),

    publishPhotos: jobActivity(deps, publish),
  };
}

const photoOf = (item: ItemRow): MediaSource => item.input as MediaSource;

async function analysePhoto(
  attempt: Attempt,
  { recogniser, model, options }: Recognising,
  item: ItemRow,
  tools: ItemTools,
): Promise<ItemOutcome> {
  const photo = photoOf(item);
  const { storage, config } = attempt.deps;
  const bytes = await storage.getBytes(photo.uri, {
    ifMatch: photo.etag,
    maxBytes: config.limits.uploadBytes,
    signal: tools.signal,
  });
  const request: RecogniseOptions = {
    ...wantedOf(options),
    model,
    owner: attempt.job.owner,
    annotate: options.annotate,
    signal: tools.signal,
    limits: {
      bytes: config.limits.uploadBytes,
      pixels: config.limits.photoPixels,
      frames: config.limits.photoFrames,
    },
    onStage: async (stage: Stage, pid: number): Promise<void> => {
      // A stage begins when the one before it has ended.
      const before = stages[stages.indexOf(stage) - 1];
      if (before !== undefined) tools.reached(before);
      await failpoint(`photo.${stage}`, photo.filename, pid);
    },
  };
  const analysis = await recogniser.photo({ name: photo.filename, bytes }, request);
  const { filename, uri: sourceUri } = photo;
  const { scoreThreshold } = options;
  return outcomeOf(item, { ...analysis, filename, sourceUri, scoreThreshold }, storage.bucket);
}
