/** The predictor of an API process, bound to its connections. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ProblemCode, predictActivity, predictAttempts, queues } from '@darkroom/contract';
import { type Dispatch, fairnessKeyOf } from '@darkroom/dispatch';
import type { Config } from '@darkroom/platform';
import { Predictor } from '@darkroom/prediction/predictor/predictor.ts';
import type { Records } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { v7 as uuid7 } from 'uuid';
import { toProblem } from '../problems.ts';
import { measures } from './measures.ts';
import { PictureMemory } from './memory.ts';
import { keepPicture } from './pictures.ts';
import { Readiness } from './readiness.ts';
import { ServedModels } from './served.ts';
import { PredictionStatistics } from './statistics.ts';
import { UnderstoodModels } from './understood.ts';

export interface PredictingDeps {
  readonly config: Config;
  readonly records: Records;
  readonly storage: Storage;
  readonly dispatch: Pick<Dispatch, 'units'>;
}

/** Longest time of an attempt, and its longest silence: how late another worker takes over from one that died. */
const attemptSeconds = 60;
const silenceSeconds = 3;
/** A store that does not take a batch by then is away. */
const putSeconds = 5;
/** What is on its way is waited for so long when the process is told to stop: it is made and found without it, too. */
const drainSeconds = 8;
/** Batches under way for each process that works on them: one is worked on, the next one is on its way. */
const batchesPerLane = 2;

export interface Predicting {
  readonly predictor: Predictor;
  readonly served: ServedModels;
  readonly readiness: Readiness;
  readonly understood: UnderstoodModels;
  readonly statistics: PredictionStatistics;
  readonly pictures: PictureMemory;
  /** Does what comes before a prediction is asked for; what it throws is counted as refused. */
  intake<T>(work: () => Promise<T>): Promise<T>;
  /** Waits for what was taken in, then lets go of the connections. */
  close(): Promise<void>;
}

/** Nothing is sent before the first request. */
export function createPredicting({ config, records, storage, dispatch }: PredictingDeps): Predicting {
  const served = new ServedModels(records);
  const statistics = new PredictionStatistics(
    measures(
      () => predictor.loads,
      (version) => served.isKnown(version),
    ),
  );
  const unitOf = (batch: string): string => `predict/${batch}`;
  const predictor = new Predictor({
    records,
    put: (key, bytes) =>
      storage
        .putBytes(key, bytes, {
          contentType: 'application/octet-stream',
          signal: AbortSignal.timeout(putSeconds * 1000),
        })
        .catch((error: unknown) => {
          throw toProblem(error);
        }),
    keep: (place, picture, signal) => keepPicture({ records, storage }, place, picture, signal),
    start: (batch, { owner }) =>
      dispatch.units.start({
        id: unitOf(batch.batch),
        activity: predictActivity,
        queue: queues.interactive,
        args: [batch],
        // What somebody waits for goes before every job.
        priority: { priorityKey: 1, fairnessKey: fairnessKeyOf(owner) },
        attempts: predictAttempts,
        attemptSeconds,
        silenceSeconds,
      }),
    isOpen: async (batch) => (await dispatch.units.describe(unitOf(batch))) === 'running',
    newBatch: uuid7,
    gather: {
      batch: config.predictions.batch,
      queue: { items: config.predictions.queue, bytes: config.predictions.memoryBytes },
      underWay: (model) => batchesPerLane * Math.max(1, served.lanesOf(model)),
    },
    seen: statistics,
  });
  return {
    predictor,
    served,
    readiness: new Readiness(records.db),
    understood: new UnderstoodModels(records.db),
    statistics,
    pictures: new PictureMemory(config.predictions.memoryBytes),
    async intake(work) {
      try {
        return await work();
      } catch (error) {
        statistics.refused(undefined, toProblem(error).code);
        throw error;
      }
    },
    async close() {
      await Promise.race([predictor.drained(), sleep(drainSeconds * 1000, undefined, { ref: false })]);
      await Promise.all([predictor.close(), served.close()]);
    },
  };
}

/** Deadlines that a request may ask for. */
export const [shortestSeconds, longestSeconds] = [0.05, 60];

/** What a prediction can fail with, beside what any request can. */
export const predictionProblems: readonly ProblemCode[] = [
  'overloaded',
  'deadline_exceeded',
  'no_prediction_model',
  'unknown_model',
  'model_not_ready',
  'empty_file',
  'unsupported_media',
  'heic_unsupported',
  'truncated_image',
  'too_large',
  'too_many_pixels',
  'too_many_frames',
  'memory_limit',
  'item_timeout',
  'poisonous_item',
  'engine_unavailable',
  'storage_unavailable',
];
