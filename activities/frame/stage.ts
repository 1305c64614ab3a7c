/** The whole of a stage without items: done once for what it is a function of, and gone on with where an attempt has left off. */
import { failpoint } from '@darkroom/platform';
import {
  type Db,
  Fenced,
  keepStageResult,
  openStage,
  saveStageCheckpoint,
  takeStageInput,
} from '@darkroom/records';
import { StorageError } from '@darkroom/storage';
import { gotOn } from './attempt/alive.ts';
import type { Attempt, FrameDeps } from './attempt/attempt.ts';
import { PeriodicWriter } from './reports/periodic-writer.ts';

/** How often what the work leaves to go on from is written. */
const interval = 1000;

/** A zod schema, or what reads as one. */
interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false };
}

export interface StageTools<C> {
  readonly signal: AbortSignal;
  /** What the stage is made of, as it was pinned at submit; null when nothing was. */
  readonly input: object | null;
  /** What an earlier attempt or run left to go on from, of the same `digest`; undefined when there is nothing. */
  readonly checkpoint: C | undefined;
  /**
   * Leaves something to go on from: what is left last within a second is written, and at the latest when the worker stops. It may be
   * called as often as the work gets on.
   */
  save(checkpoint: C): void;
}

export interface StageWork<R, C> {
  /** SHA-256 of what the result is a function of. */
  digest(input: object | null): string;
  /** Reads a result that was kept; one that does not fit any more is worked for again. */
  readonly result: Schema<R>;
  /** Reads a checkpoint; one that does not fit any more is as good as none. Left out, the stage keeps none. */
  readonly checkpoint?: Schema<C>;
  work(tools: StageTools<C>): Promise<R>;
  /**
   * URIs of the objects that a result names, some thousands at most, under the kind's outputs. They stay for as long as the result may
   * save a later attempt or run its work: to the job's end where it succeeds (and after it those that its results list), through its end
   * where it does not. A result that has lost one is worked for again. A job that runs this one again does so with objects of its own.
   */
  objects?(result: R): readonly string[];
  /** The same of a checkpoint; one that has lost an object is as good as none. */
  checkpointObjects?(checkpoint: C): readonly string[];
  /** Writes rows of the kind that stand or fall with the result. */
  record?(tx: Db, result: R): Promise<void>;
}

/**
 * Returns what the attempt's stage came to: at once where it has been done already for the same digest, by whichever attempt or run.
 * Throws what the work throws, and {@link Fenced}.
 */
export async function workStage<R, C extends object = never>(
  attempt: Attempt,
  kind: StageWork<R, C>,
): Promise<R> {
  const { fence } = attempt;
  const { db } = attempt.deps.records;
  const name = attempt.call.stage;
  const input = await takeStageInput(db, fence, name);
  const digest = kind.digest(input);
  const stage = await openStage(db, fence, name, digest);
  if (stage.done) {
    const kept = kind.result.safeParse(stage.result);
    if (kept.success && (await areThere(attempt, kind.objects?.(kept.data)))) return kept.data;
    await openStage(db, fence, name, digest, { anew: true });
  }
  const keeper = new CheckpointKeeper<C>(attempt, name, digest, kind);
  const found = kind.checkpoint?.safeParse(stage.cursor);
  const checkpoint =
    found?.success === true && (await areThere(attempt, kind.checkpointObjects?.(found.data)))
      ? found.data
      : undefined;
  let result: R;
  try {
    const save = (next: C) => keeper.save(next);
    result = await kind.work({ signal: attempt.signal, input, checkpoint, save });
  } catch (error) {
    // What the work left last is for whoever goes on; that it could not be written is the smaller trouble.
    await keeper.close().catch(() => {});
    throw error;
  }
  await keeper.close();
  // What the work counted last is what there was to do, before a stage without a total counts as one.
  await attempt.progress.close();
  await failpoint('stage.before-keep', name);
  const objects = kind.objects?.(result);
  await keepStageResult(db, fence, { name, digest, result, objects }, async (tx) =>
    kind.record?.(tx, result),
  );
  return result;
}

/** Objects that are asked for at a time. */
const askedAtOnce = 16;

/** Whether the store has all of these objects; says so in the log where it does not. */
async function areThere(
  { call, deps, log, signal }: Attempt,
  uris: readonly string[] = [],
): Promise<boolean> {
  for (let from = 0; from < uris.length; from += askedAtOnce) {
    const some = uris.slice(from, from + askedAtOnce);
    const there = await Promise.all(some.map((uri) => isThere(deps, uri, signal)));
    const lost = some.find((_, index) => there[index] !== true);
    if (lost === undefined) continue;
    log.line('warn', `${call.stage}: the store has lost ${lost}; it is made again`);
    return false;
  }
  return true;
}

async function isThere({ storage }: FrameDeps, uri: string, signal: AbortSignal): Promise<boolean> {
  try {
    await storage.head(uri, { signal });
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'source_not_found') return false;
    throw error;
  }
}

/** Writes the newest checkpoint now and then. */
class CheckpointKeeper<C extends object> {
  readonly #attempt: Attempt;
  readonly #writer: PeriodicWriter;
  #newest: C | undefined;

  constructor(
    attempt: Attempt,
    name: string,
    digest: string,
    { checkpointObjects }: Pick<StageWork<unknown, C>, 'checkpointObjects'>,
  ) {
    const { fence, deps, lose } = attempt;
    this.#attempt = attempt;
    const write = async (): Promise<void> => {
      const checkpoint = this.#newest;
      if (checkpoint === undefined) return;
      this.#newest = undefined;
      try {
        const objects = checkpointObjects?.(checkpoint);
        await saveStageCheckpoint(deps.records.db, fence, { name, digest, cursor: checkpoint, objects });
        gotOn();
      } catch (error) {
        this.#newest ??= checkpoint;
        throw error;
      }
    };
    this.#writer = new PeriodicWriter(interval, write, (error) => {
      if (error instanceof Fenced) lose(error);
      return !(error instanceof Fenced);
    });
  }

  save(checkpoint: C): void {
    this.#newest = checkpoint;
    this.#attempt.progress.moved();
    this.#writer.schedule();
  }

  close(): Promise<void> {
    return this.#writer.flush();
  }
}
