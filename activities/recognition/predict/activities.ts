/** The activity of predictions: a micro-batch out of the store, through a lane, into the records. */
import {
  predictBatch as batchCall,
  ProblemError,
  type ProblemRecord,
  predictAttempts,
} from '@darkroom/contract';
import { unitAttempt } from '@darkroom/frame';
import { isOpenElsewhere } from '@darkroom/models';
import { failpoint } from '@darkroom/platform';
import { type BatchItem, madeAt, recordPredictions, unpackBatch } from '@darkroom/prediction';
import { countUnitAttempt, forgetUnitAttempts, type Records } from '@darkroom/records';
import { type Storage, StorageError } from '@darkroom/storage';
import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { type PredictOne, predictBatch } from './batch.ts';
import type { SpentObjects } from './spent.ts';

/** In hand at once for each lane in one batch: what a lane has in hand. A batch that comes alone has all lanes. */
const widthOfLane = 3;
/**
 * Attempts at a batch before its items are worked on one by one, each with attempts of its own: a picture that ends the worker itself is
 * found out so, and its neighbours are answered.
 */
const attemptsTogether = 2;
const attemptsAlone = 2;
/** Attempts before a version that no other worker has open is each picture's problem: the lane of this one may have died, and be back. */
const attemptsToOpen = 4;

export interface PredictionDeps {
  readonly records: Pick<Records, 'db'>;
  readonly storage: Pick<Storage, 'getBytes'>;
  readonly spent: SpentObjects;
  /** How many there are to predict in. */
  readonly lanes: number;
  /** Under which this one says what it has open. */
  readonly worker: string;
}

/** Milliseconds that attempts before this one have taken, by the engine's clock alone. */
function earlierMs(): number {
  const { scheduledTimestampMs, currentAttemptScheduledTimestampMs } = activityInfo();
  return currentAttemptScheduledTimestampMs - scheduledTimestampMs;
}

const aloneId = (batch: string, id: number): string => `predict/${batch}/${id}`;

export type PredictionActivities = ReturnType<typeof predictionActivities>;

export function predictionActivities(
  { records, storage, spent, lanes, worker }: PredictionDeps,
  predict: PredictOne<BatchItem>,
) {
  return {
    async predictBatch(call: unknown): Promise<void> {
      const begunAt = Date.now();
      const { batch, key, bytes } = batchCall.parse(call);
      const signal = cancellationSignal();
      const object = await storage.getBytes(key, { maxBytes: bytes, signal }).catch((error: unknown) => {
        // An attempt before this one has come to its end, and its answer was lost.
        if (error instanceof StorageError && error.code === 'source_not_found') return undefined;
        throw error;
      });
      if (object === undefined) return;
      const packed = unpackBatch(object);
      const fetchedAt = Date.now();
      const attempt = unitAttempt();
      // Attempts say nothing of who was asked: they may all have come to this worker, while another has it open. The last one leaves rows.
      const settles = async ({ code }: ProblemRecord): Promise<boolean> =>
        code === 'unsupported_model' &&
        attempt >= attemptsToOpen &&
        (attempt >= predictAttempts ||
          !(await isOpenElsewhere(records.db, worker, 'predictions', packed.header.model)));
      const common = { predict, signal, begunAt, fetchedAt, settles, now: Date.now, waitedMs: earlierMs() };
      if (attempt <= attemptsTogether) {
        const made = await predictBatch(packed, { ...common, width: widthOfLane * lanes });
        await failpoint('prediction.before-record', batch);
        await recordPredictions(records.db, batch, made);
      } else {
        const made = await madeAt(records.db, packed.header.items);
        const missing = packed.header.items.map(({ id }) => !made.has(id));
        const rest = {
          header: { ...packed.header, items: packed.header.items.filter((_, i) => missing[i]) },
          bodies: packed.bodies.filter((_, i) => missing[i]),
        };
        await predictBatch(rest, {
          ...common,
          width: 1,
          before: async ({ id, filename }) => {
            if ((await countUnitAttempt(records.db, aloneId(batch, id))) > attemptsAlone)
              throw new ProblemError('poisonous_item', `${filename} ended the process that worked on it.`);
          },
          // What this process has lived to see is nothing against the picture.
          predict: (item, ...rest) =>
            predict(item, ...rest).finally(() => forgetUnitAttempts(records.db, aloneId(batch, item.id))),
          done: (record) => recordPredictions(records.db, batch, [record]),
        });
      }
      spent.add(key);
    },
  };
}
