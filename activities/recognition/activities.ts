/** The activities of photo recognition: what gives the pure core its storage, ledger, heartbeat and cancellation. */
import { createHash } from 'node:crypto';
import {
  type AnalysisOptions,
  analysisOptions,
  type ManifestFile,
  type ModelIdentity,
  type ModelRoom,
  modelIdentity,
  type Page,
  type PhotoResult,
  type PhotoSource,
  ProblemError,
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
import { failpoint } from '@darkroom/platform';
import { type ItemRow, insertSegment, labelSummary, pinModel } from '@darkroom/records';
import { formatUri } from '@darkroom/storage';
import {
  type AnalyseOptions,
  type Analysis,
  analyse,
  type ForeignDecoder,
  type Stage,
  stages,
} from './analyse.ts';
import { frameDigest, frameOf, recogniseFrame, recognitionOptions } from './frame-activities.ts';
import { analyseIsolated } from './isolate.ts';
import { publishedExports } from './published.ts';
import { type Model, openModel } from './session.ts';
import { sniff } from './sniff.ts';

export type RecognitionActivities = ReturnType<typeof recognitionActivities>;

/** A page is put down after this long, so that other jobs' pages get their turn. */
const pageBudgetMs = 2000;
/** Photos of a page in hand at once: while one is inferred, the next is decoded and the last one drawn. */
const photosAtOnce = 3;

/** `decodeForeign` reads what libvips does not; where the machine has no such decoder, HEIC is refused. */
export function recognitionActivities(deps: FrameDeps, decodeForeign?: ForeignDecoder) {
  // Opened with the first photo and shared by all: a model is megabytes and seconds.
  let opening: Promise<Model> | undefined;
  const model = (): Promise<Model> => {
    opening ??= openModel(deps.config.recognition).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };

  return {
    analysePhotos: jobActivity(deps, async (attempt, page: Page) => {
      const options = analysisOptions.parse(attempt.job.input);
      const opened = await model();
      await requireModel(attempt, options, opened.identity);
      return workPage(attempt, page, {
        stage: 'recognise',
        lastStage: 'publish',
        concurrency: photosAtOnce,
        budgetMs: pageBudgetMs,
        inputDigest: (item) => inputDigest(photoOf(item), options, opened.identity),
        work: (item, tools) => analysePhoto(attempt, { model: opened, options, decodeForeign }, item, tools),
      });
    }),

    /** The room the model has for a picture, so that frames are resized for it where they are decoded. Pins the model. */
    modelRoom: jobActivity(deps, async (attempt): Promise<ModelRoom> => {
      const opened = await model();
      await requireModel(attempt, recognitionOptions(attempt.job.input), opened.identity);
      const { width, height, fit } = opened.input;
      return { width, height, fit };
    }),

    analyseFrames: jobActivity(deps, async (attempt, page: Page) => {
      const options = recognitionOptions(attempt.job.input);
      const opened = await model();
      await requireModel(attempt, options, opened.identity);
      return workPage(attempt, page, {
        stage: 'recognise',
        lastStage: 'publish',
        concurrency: photosAtOnce,
        budgetMs: pageBudgetMs,
        inputDigest: (item) => frameDigest(frameOf(item), options, opened.identity),
        work: (item, tools) => recogniseFrame(attempt, opened, options, item, tools),
      });
    }),

    /** Writes the exports of a video task, which another capability publishes. */
    exportFindings: jobActivity(deps, async (attempt): Promise<ManifestFile[]> => {
      await attempt.assertHeld();
      return putFiles(attempt, await publishedExports(deps.records.db, attempt.call.jobId));
    }),

    publishPhotos: jobActivity(deps, async (attempt) => {
      const { db } = deps.records;
      return publishJob(attempt, {
        stage: 'recognise',
        objects: await publishedExports(db, attempt.call.jobId),
        result: { labels: await labelSummary(db, attempt.call.jobId) },
      });
    }),
  };
}

/** The model a job asks for must be this worker's, and stay the one its first attempt worked with. */
async function requireModel(
  attempt: Attempt,
  options: AnalysisOptions,
  identity: ModelIdentity,
): Promise<void> {
  if (options.model !== 'default' && options.model !== identity.name) {
    throw new ProblemError(
      'unknown_model',
      `There is no model ${options.model}; this worker has ${identity.name} (default).`,
    );
  }
  const known = attempt.job.pinned?.model;
  const pinned =
    known === undefined
      ? await pinModel(attempt.deps.records.db, attempt.fence, identity)
      : modelIdentity.parse(known);
  if (pinned.digest !== identity.digest) {
    throw new ProblemError(
      'unknown_model',
      `The job began with ${pinned.name} ${pinned.version}, this worker has ${identity.name} ${identity.version}. Run the job again with rerun.`,
    );
  }
}

/** What the bytes of a photo's result are a function of. */
function inputDigest(photo: PhotoSource, options: AnalysisOptions, model: ModelIdentity): string {
  const { scoreThreshold, annotate } = options;
  const labels = [...options.labels].sort();
  return createHash('sha256')
    .update(JSON.stringify([1, photo.etag, photo.bytes, model.digest, scoreThreshold, labels, annotate]))
    .digest('hex');
}

const photoOf = (item: ItemRow): PhotoSource => item.input as PhotoSource;

async function analysePhoto(
  attempt: Attempt,
  how: { model: Model; options: AnalysisOptions; decodeForeign: ForeignDecoder | undefined },
  item: ItemRow,
  tools: ItemTools,
): Promise<ItemOutcome> {
  const { model, options, decodeForeign } = how;
  const photo = photoOf(item);
  const { storage, config } = attempt.deps;
  const bytes = await storage.getBytes(photo.uri, {
    ifMatch: photo.etag,
    maxBytes: config.limits.uploadBytes,
    signal: tools.signal,
  });
  const request: AnalyseOptions = {
    threshold: options.scoreThreshold,
    labels: options.labels,
    annotate: options.annotate,
    signal: tools.signal,
    limits: {
      bytes: config.limits.uploadBytes,
      pixels: config.limits.photoPixels,
      frames: config.limits.photoFrames,
    },
  };
  // A stage begins when the one before it has ended.
  const onStage = async (stage: Stage, pid: number): Promise<void> => {
    const before = stages[stages.indexOf(stage) - 1];
    if (before !== undefined) tools.reached(before);
    await failpoint(`photo.${stage}`, photo.filename, pid);
  };
  // A foreign decoder has a process of its own already.
  const alone = tools.suspect && sniff(bytes).kind !== 'heic';
  const analysis = alone
    ? await analyseIsolated(
        bytes,
        { ...request, model: config.recognition, name: photo.filename },
        { onStage },
      )
    : await analyse(bytes, { ...request, model, ...(decodeForeign && { decodeForeign }) }, { onStage });
  return outcomeOf(item, photo, analysis, options.scoreThreshold, storage.bucket);
}

function outcomeOf(
  item: ItemRow,
  photo: PhotoSource,
  analysis: Analysis,
  scoreThreshold: number,
  bucket: string,
): ItemOutcome {
  const home = `recognition-results/${item.jobId}/`;
  const detections = analysis.detections.map(({ label, score, box }) => ({ label, score, box }));
  const result: PhotoResult = {
    width: analysis.width,
    height: analysis.height,
    format: analysis.format,
    model: analysis.model,
    scoreThreshold,
    detections,
  };
  const file = (name: string, body: Buffer, contentType: string) => ({
    key: home + name,
    path: name,
    body,
    contentType,
  });
  const json = file(`${item.ordinal}_result.json`, Buffer.from(JSON.stringify(result)), 'application/json');
  const drawn =
    analysis.annotated === undefined
      ? []
      : [file(`${item.ordinal}_result.jpg`, analysis.annotated, 'image/jpeg')];
  return {
    objects: [json, ...drawn],
    record: (tx) =>
      insertSegment(tx, {
        jobId: item.jobId,
        segmentId: item.ordinal,
        filename: photo.filename,
        sourceUri: photo.uri,
        width: analysis.width,
        height: analysis.height,
        resultUri: formatUri({ bucket, key: json.key }),
        annotatedUri: drawn[0] === undefined ? null : formatUri({ bucket, key: drawn[0].key }),
        detections,
      }),
  };
}
