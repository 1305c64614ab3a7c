/** What a micro-batch comes to: each picture by itself, whatever becomes of the others. */
import {
  type ModelIdentity,
  type PredictionOutput,
  type PredictionRecord,
  type PredictionTimings,
  ProblemError,
  type ProblemRecord,
  problemOf,
  type RecordedOutput,
} from '@darkroom/contract';
import type { BatchHeader, BatchItem, PackedBatch } from '@darkroom/prediction';

/** What a model says of one picture. */
export interface Predicted {
  /** Class index; null where a detector found nothing. */
  readonly result: number | null;
  readonly label: string | null;
  readonly score: number | null;
  /** Null where the model itself was asked. */
  readonly output: PredictionOutput | null;
  /** What it was asked for, then. */
  readonly outputs?: readonly RecordedOutput[];
  readonly timings: Pick<PredictionTimings, 'decode' | 'infer'>;
}

/** What of a picture its prediction depends on, besides the model. */
export interface ToPredict
  extends Pick<BatchItem, 'filename' | 'owner' | 'topK'>,
    Partial<Pick<BatchItem, 'inference' | 'outputs'>> {
  /** Lowest score that a detector tells of; without, as of a task that does not say. */
  readonly threshold?: number;
}

/** Predicts one picture with that version of a model; throws ProblemError for what is wrong with it. */
export type PredictOne<Item extends ToPredict = ToPredict> = (
  item: Item,
  picture: Buffer,
  using: { readonly model: ModelIdentity; readonly signal: AbortSignal },
) => Promise<Predicted>;

export interface PredictBatchOptions {
  readonly predict: PredictOne<BatchItem>;
  readonly signal: AbortSignal;
  /** When the batch came, and when its pictures were there: milliseconds since 1970. */
  readonly begunAt: number;
  readonly fetchedAt: number;
  readonly now: () => number;
  /** Milliseconds that the batch has waited before it came, as far as no clock of another machine tells it. */
  readonly waitedMs: number;
  /** In hand at once: while one is inferred, the next is decoded. */
  readonly width: number;
  /** Before one is begun; what it throws is what becomes of that one. */
  readonly before?: (item: BatchItem) => Promise<void>;
  /** Whether what is no picture's fault is said of it all the same: nobody else is asked any more. */
  readonly settles?: (problem: ProblemRecord) => Promise<boolean>;
  /** As each has come to its end. */
  readonly done?: (record: PredictionRecord) => Promise<void>;
}

/**
 * Predicts the items of a batch, in their order, and returns a record of each. A picture that cannot be predicted has a record that says why;
 * what is no picture's fault (an outage, a cancel) is thrown, and the batch is tried again.
 */
export async function predictBatch(
  { header, bodies }: PackedBatch,
  options: PredictBatchOptions,
): Promise<PredictionRecord[]> {
  const records: PredictionRecord[] = [];
  const work = header.items.map((item, i) => ({ item, body: bodies[i] ?? new Uint8Array() }));
  const next = work.values();
  let failed = false;
  const inTurn = async (): Promise<void> => {
    for (const { item, body } of next) {
      options.signal.throwIfAborted();
      // The batch is tried again: nothing more of it is begun here.
      if (failed) return;
      try {
        const record = recordOf(header, item, await outcomeOf(header, item, body, options), options);
        await options.done?.(record);
        records.push(record);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: options.width }, inTurn));
  return records.sort((a, b) => a.id - b.id);
}

type Outcome = { readonly predicted: Predicted } | { readonly problem: ProblemRecord };

async function outcomeOf(
  { model }: BatchHeader,
  item: BatchItem,
  body: Uint8Array,
  options: PredictBatchOptions,
): Promise<Outcome> {
  const { predict, signal, before, now, begunAt, waitedMs } = options;
  try {
    // Nobody waits for it any more: the time is for those that somebody waits for.
    if (waitedMs + now() - begunAt > item.leftMs)
      return { problem: problemOf('deadline_exceeded', 'It was not begun within its deadline.') };
    await before?.(item);
    const picture = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    return { predicted: await predict(item, picture, { model, signal }) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProblemError) {
      const { problem } = error;
      if (problem.fault !== 'ours' || (await options.settles?.(problem)) === true) return { problem };
      throw error;
    }
    // A fault that nobody foresaw, at this picture: those beside it are answered.
    return { problem: problemOf('internal', error instanceof Error ? error.message : String(error)) };
  }
}

function recordOf(
  header: BatchHeader,
  item: BatchItem,
  outcome: Outcome,
  { begunAt, fetchedAt }: PredictBatchOptions,
): PredictionRecord {
  const { id, acceptedAt, owner, filename, bytes, traceId, alias, canary, gatherMs } = item;
  const common = { id, acceptedAt, owner, filename, bytes, traceId, model: header.model, alias, canary };
  // Clocks of two machines: a wait is no less than nothing.
  const waited = {
    gather: gatherMs,
    queue: Math.max(0, begunAt - header.sentAt),
    fetch: fetchedAt - begunAt,
  };
  if ('problem' in outcome)
    return {
      ...common,
      state: 'failed',
      result: null,
      label: null,
      score: null,
      output: null,
      problem: outcome.problem,
      timings: waited,
    };
  const { timings, ...predicted } = outcome.predicted;
  return { ...common, state: 'succeeded', ...predicted, problem: null, timings: { ...waited, ...timings } };
}
