/** The activities of batch predictions: what gives the plan, the predictor and the exports their storage, ledger, heartbeat and cancellation. */
import { createHash } from 'node:crypto';
import { pinModel } from '@darkroom/analysis';
import {
  archiveSource,
  type BatchOptions,
  type BatchPicture,
  batchOptions,
  type ModelIdentity,
  modelIdentity,
  type Page,
  type Planned,
} from '@darkroom/contract';
import {
  type Attempt,
  type FrameDeps,
  type ItemOutcome,
  type ItemTools,
  jobActivity,
  ObjectTable,
  planItems,
  publishJob,
  workPage,
} from '@darkroom/frame';
import { unlessAborted } from '@darkroom/lane';
import { modelsNow } from '@darkroom/models';
import { failpoint } from '@darkroom/platform';
import { recordJobPrediction } from '@darkroom/prediction';
import { allNeeded, type ItemRow, takeStageInput } from '@darkroom/records';
import { requireVersion } from '../jobs/require-model.ts';
import { decodingRevision } from '../picture/revision.ts';
import type { Predictor } from '../predict/predictor.ts';
import { publishedResults } from './results.ts';
import { listedPictures } from './rows.ts';
import { unpackPictures } from './unpack-pictures.ts';

export type BatchActivities = ReturnType<typeof batchActivities>;

/** Raised when the same picture would be predicted otherwise. */
const version = 1;

export function batchActivities(deps: FrameDeps, predictor: Pick<Predictor, 'model' | 'predict'>) {
  const modelFor = async (attempt: Attempt, { model: asked }: BatchOptions): Promise<ModelIdentity> => {
    const { db } = deps.records;
    const wanted = { asked, serves: 'predictions', pinned: attempt.job.pinned?.model } as const;
    const { identity } = await requireVersion(wanted, {
      model: (version) => predictor.model(version),
      now: () => modelsNow(db),
      pin: (own) => pinModel(db, attempt.fence, own),
    });
    return identity;
  };

  return {
    /** Makes an item of each row, object or entry; of a large archive of some, and is to be called again. */
    planPictures: jobActivity(deps, async (attempt): Promise<Planned> => {
      const input = await takeStageInput(deps.records.db, attempt.fence, attempt.call.stage);
      const archive = archiveSource.safeParse(input);
      if (archive.success) return unpackPictures(attempt, archive.data);
      return { found: await planItems(attempt, listedPictures(attempt, input)), done: true };
    }),

    predictPictures: jobActivity(deps, async (attempt, page: Page) => {
      const options = batchOptions.parse(attempt.job.input);
      const model = await modelFor(attempt, options);
      return workPage(attempt, page, {
        stage: 'predict',
        lastStage: 'publish',
        /** While one is inferred, the next is decoded and another one fetched. */
        concurrency: 3,
        inputDigest: (item) => digestOf(pictureOf(item), options, model),
        work: (item, tools) => predictPicture(attempt, predictor, { options, model }, item, tools),
      });
    }),

    publishPredictions: jobActivity(deps, async (attempt) => {
      const { jobId } = attempt.call;
      const { formats } = batchOptions.parse(attempt.job.input);
      const model = modelIdentity.optional().parse(attempt.job.pinned?.model) ?? null;
      return publishJob(attempt, {
        stage: 'predict',
        objects: publishedResults(deps.records.db, { jobId, model, formats }),
        result: { model },
        tidy: () => removePredicted(attempt),
      });
    }),
  };
}

interface Predicting {
  readonly options: BatchOptions;
  readonly model: ModelIdentity;
}

async function predictPicture(
  { deps: { storage, config }, job: { owner } }: Attempt,
  predictor: Pick<Predictor, 'predict'>,
  { options: { topK, threshold }, model }: Predicting,
  item: ItemRow,
  { signal, reached }: ItemTools,
): Promise<ItemOutcome> {
  const picture = pictureOf(item);
  const { uri, etag } = picture;
  const filename = nameOf(picture);
  const bytes = await storage.getBytes(uri, { ifMatch: etag, maxBytes: config.predictions.bytes, signal });
  // It stands for a picture that takes long, which a cancel does not wait for.
  await unlessAborted(Promise.resolve(failpoint('batch.predict', filename)), signal);
  const asked = { filename, owner, topK, threshold };
  const { result, label, score, output } = await predictor.predict(asked, bytes, { model, signal });
  if (output === null) throw new Error(`${filename} was given no output.`);
  reached('predict');
  const { jobId, ordinal } = item;
  return {
    objects: [],
    record: (tx) => recordJobPrediction(tx, { jobId, ordinal, result, label, score, output }),
  };
}

/** Pictures of an archive that are predicted; those that failed may be asked for by another attempt. */
async function removePredicted({ call: { jobId }, deps, assertHeld, signal }: Attempt): Promise<void> {
  const keep = new ObjectTable();
  for await (const uri of allNeeded(deps.records.db, jobId)) keep.add(uri);
  await deps.storage.removePrefix(`batch-pictures/${jobId}/`, { keep, assertHeld, signal });
}

const pictureOf = (item: ItemRow): BatchPicture => item.input as BatchPicture;

/** For messages, and for what a name tells of the decoder. */
const nameOf = ({ uri, entry = uri }: BatchPicture): string => entry.split('/').at(-1) ?? entry;

function digestOf(
  picture: BatchPicture,
  { topK, threshold }: BatchOptions,
  { digest }: ModelIdentity,
): string {
  const { etag, bytes } = picture;
  const decoding = decodingRevision(nameOf(picture)) ?? 0;
  return createHash('sha256')
    .update(JSON.stringify([version, etag, bytes, decoding, digest, topK, threshold]))
    .digest('hex');
}
