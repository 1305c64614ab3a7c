/**
 * Predictions as whoever waits for one asks for it: gathered with others, handed over as one durable unit, and answered from the row that
 * the worker has written. What was handed over is carried out and found, also where this process dies meanwhile.
 */
import {
  type ModelIdentity,
  modelKey,
  type PredictBatch,
  ProblemError,
  type ProblemRecord,
} from '@darkroom/contract';
import { currentSpan, withSharedSpan } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import { type AskedInference, type BatchItem, packBatch } from '../batch.ts';
import { Gatherer, type GatherOptions } from '../gather/gatherer.ts';
import { takeOutputs } from '../outputs.ts';
import type { PredictionPlace, PredictionRow } from '../records.ts';
import { FailedRows } from './failed-rows.ts';
import { type Idempotency, PredictionPlaces } from './places.ts';
import { gaveUp, RowsToCome } from './rows-to-come.ts';
import { type FailedWork, failedRecordOf, itemOf, type Work } from './work.ts';

export interface PredictionRequest {
  readonly owner: string;
  /** 1 (first) to 5. */
  readonly priority: number;
  /** The version that predicts. */
  readonly model: ModelIdentity;
  /** Name by which it was chosen, if any, and whether as its canary. */
  readonly alias: string | null;
  readonly canary: boolean;
  /** Or the inputs of `inference`, one after the other. */
  readonly picture: Uint8Array;
  /** What is asked of the model itself, instead of what is on a picture. Its outputs lie beside the row, for a while. */
  readonly inference?: AskedInference | undefined;
  /** Of a picture: names of outputs of the model itself that are wanted, too. */
  readonly outputs?: readonly string[] | undefined;
  /** As the user named it. */
  readonly filename: string;
  /** Classes of a classifier that are told of. */
  readonly topK: number;
  /** Milliseconds after which nobody waits for it any more. */
  readonly deadlineMs: number;
  readonly traceId: string | null;
  readonly idempotency?: Idempotency | undefined;
  /** Whether the picture is kept for as long as the prediction. */
  readonly keep?: boolean;
  /** Aborts when whoever asks has gone: what was not handed over is not done then. */
  readonly signal: AbortSignal;
}

export interface PredictorDeps {
  readonly records: Pick<Records, 'db' | 'listen'>;
  /** Puts an object under a key of the platform's bucket. */
  readonly put: (key: string, bytes: Buffer) => Promise<unknown>;
  /** Keeps a picture with the prediction that is to be made of it, until `signal` aborts: nobody waits for that any more. */
  readonly keep: (place: PredictionPlace, picture: Uint8Array, signal: AbortSignal) => Promise<void>;
  /** Starts the unit of a batch; one that is there already is fine. */
  readonly start: (batch: PredictBatch, first: BatchItem) => Promise<void>;
  /** Whether the engine still works on the batch, or means to. */
  readonly isOpen: (batch: string) => Promise<boolean>;
  /** How often that is asked of a batch that takes long, milliseconds; 5,000. */
  readonly askMs?: number;
  /** A name that no other batch has; in the order of time. */
  readonly newBatch: () => string;
  /** Of each model version. */
  readonly gather: Pick<GatherOptions<unknown>, 'batch' | 'queue'> & {
    /** Batches of that version under way at once, at most; asked each time. */
    readonly underWay: (model: ModelIdentity) => number;
  };
  /** Told of each prediction that was answered, and of each that was not. */
  readonly seen?: Seen;
}

/** What is measured. */
export interface Seen {
  sent(model: ModelIdentity, items: number): void;
  answered(model: ModelIdentity, row: PredictionRow, totalMs: number): void;
  /** `model` absent: of none that is known. */
  refused(model: ModelIdentity | undefined, code: string): void;
}

/** Where packed objects lie until their batch was predicted. */
export const batchesPrefix = 'prediction-batches/';

/** Versions whose pace is remembered; of more, those are forgotten that were asked for first and have nothing to do. */
const remembered = 100;

export class Predictor {
  readonly #deps: PredictorDeps;
  readonly #rows: RowsToCome<Work>;
  readonly #failed: FailedRows;
  readonly #places: PredictionPlaces;
  readonly #gatherers = new Map<
    string,
    { readonly model: ModelIdentity; readonly gatherer: Gatherer<Work> }
  >();

  constructor(deps: PredictorDeps) {
    this.#deps = deps;
    this.#rows = new RowsToCome(deps);
    this.#failed = new FailedRows(deps.records.db);
    this.#places = new PredictionPlaces(deps.records.db, this.#failed);
  }

  /** What waits and what is under way, of each model version that was asked for; all 0 at rest. */
  get loads(): readonly { readonly model: ModelIdentity; readonly load: Gatherer<Work>['load'] }[] {
    return [...this.#gatherers.values()].map(({ model, gatherer }) => ({ model, load: gatherer.load }));
  }

  /**
   * Predicts. Resolves with the row, a failed prediction's too. Throws `overloaded`, `deadline_exceeded` (with what becomes of it),
   * `idempotency_key_reused`, `idempotency_key_deleted`, what storage, records and engine throw, or the signal's reason.
   */
  async predict(request: PredictionRequest): Promise<PredictionRow> {
    const began = Date.now();
    const { model } = request;
    try {
      const row = await this.#predict(request, began);
      this.#deps.seen?.answered(model, row, Date.now() - began);
      return row;
    } catch (error) {
      const code =
        error instanceof ProblemError ? error.code : request.signal.aborted ? 'client_left' : 'internal';
      this.#deps.seen?.refused(model, code);
      throw error;
    }
  }

  /**
   * Throws `overloaded` where {@link predict} would at once, whichever of these versions is asked for: before the picture of the request is
   * read. `bytes`: of it, about.
   */
  requireRoom(
    {
      owner,
      priority,
      deadlineMs,
      bytes,
    }: Pick<PredictionRequest, 'owner' | 'priority' | 'deadlineMs'> & {
      readonly bytes: number;
    },
    models: readonly ModelIdentity[],
  ): void {
    const wanted = { owner, priority, bytes, until: Date.now() + deadlineMs };
    const refusals = models.map((model) => this.#gathererOf(model).refusalOf(wanted));
    const [refusal] = refusals;
    if (refusal === undefined || refusals.includes(undefined)) return;
    this.#deps.seen?.refused(models[0], refusal.code);
    throw refusal;
  }

  /** Takes nothing in any more where its caller sees to that; resolves when all that was taken in has come to its end. */
  async drained(): Promise<void> {
    await Promise.all([...this.#gatherers.values()].map(({ gatherer }) => gatherer.idle()));
    await this.#failed.written();
  }

  async close(): Promise<void> {
    await this.#rows.close();
  }

  async #predict(request: PredictionRequest, acceptedMs: number): Promise<PredictionRow> {
    const { owner, priority, deadlineMs, signal, model, picture } = request;
    // What is refused has taken no id, and nothing was asked of Postgres for it.
    const wanted = { owner, priority, bytes: picture.byteLength, until: acceptedMs + deadlineMs };
    const refusal = this.#gathererOf(model).refusalOf(wanted);
    if (refusal !== undefined) throw refusal;
    const found = await inTime(this.#prepare(request, acceptedMs), acceptedMs, deadlineMs, signal);
    return 'row' in found ? found.row : this.#ask(request, found.place, acceptedMs);
  }

  /** Where the prediction is to be made, its picture is kept from then on: before there is a row, so that a row never promises one that is not there. */
  async #prepare(request: PredictionRequest, acceptedMs: number): ReturnType<PredictionPlaces['of']> {
    const { deadlineMs, picture } = request;
    const found = await this.#places.of(request, acceptedMs);
    if (!('place' in found)) return found;
    const { place } = found;
    const leftMs = (): number => Math.max(0, acceptedMs + deadlineMs - Date.now());
    const failed = { request, place, bytes: picture.byteLength };
    if (leftMs() === 0) {
      const late = waitedInVain(deadlineMs);
      // One that was accepted before may be under way elsewhere, and is not late for whoever waits there.
      if (Date.parse(place.acceptedAt) === acceptedMs) this.#recordFailed([failed], late.problem);
      throw late;
    }
    if (request.keep !== true) return found;
    try {
      await this.#deps.keep(place, picture, AbortSignal.timeout(Math.ceil(leftMs())));
      return found;
    } catch (thrown) {
      const error = leftMs() === 0 ? waitedInVain(deadlineMs) : thrown;
      if (error instanceof ProblemError) this.#recordFailed([failed], error.problem);
      throw error;
    }
  }

  async #ask(
    { picture, ...request }: PredictionRequest,
    { id, acceptedAt }: PredictionPlace,
    acceptedMs: number,
  ): Promise<PredictionRow> {
    const { owner, priority, deadlineMs, signal, model } = request;
    const until = acceptedMs + deadlineMs;
    const { promise, resolve, reject } = Promise.withResolvers<PredictionRow>();
    const bytes = picture.byteLength;
    let isRefused = false;
    const work: Work = {
      request,
      picture,
      bytes,
      place: { id, acceptedAt },
      acceptedMs,
      span: currentSpan(),
      late: false,
      answer: (row) => {
        work.late = row.problem?.code === 'deadline_exceeded';
        resolve(row);
        if (isRefused) this.#forgetOutputs(row);
      },
      refuse: reject,
    };
    const takeBack = this.#gathererOf(model).add({ owner, priority, bytes, until, work });
    const leave = (): void => {
      if (takeBack()) reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    const late = setTimeout(
      () => {
        if (takeBack()) this.#drop(work, 'late');
        else {
          isRefused = true;
          reject(takesLonger(id, deadlineMs));
        }
      },
      Math.max(0, until - Date.now()),
    );
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', leave);
    }
  }

  /** Nobody waits for them any more. Where that fails, the upkeep finds them. */
  #forgetOutputs({ id }: PredictionRow): void {
    void takeOutputs(this.#deps.records.db, id).catch(() => {});
  }

  /** What was taken in and is sent to nobody. */
  #drop(work: Work, why: 'overloaded' | 'late'): void {
    const problem =
      why === 'late'
        ? waitedInVain(work.request.deadlineMs)
        : new ProblemError('overloaded', 'It made way for those of others.', { retryAfterSeconds: 1 });
    work.refuse(problem);
    this.#recordFailed([work], problem.problem);
  }

  #gathererOf(model: ModelIdentity): Gatherer<Work> {
    const version = modelKey(model);
    const known = this.#gatherers.get(version);
    if (known !== undefined) return known.gatherer;
    // Of the trace of no request: it is for all of them.
    const send = (works: readonly Work[]): Promise<number> =>
      withSharedSpan(
        'predict batch',
        { 'darkroom.model': model.name, 'darkroom.items': works.length },
        works.flatMap(({ span }) => span ?? []),
        () => this.#send(model, works),
      );
    const drop = (work: Work, why: 'overloaded' | 'late'): void => this.#drop(work, why);
    const { batch, queue } = this.#deps.gather;
    const underWay = (): number => this.#deps.gather.underWay(model);
    const gatherer = new Gatherer<Work>({ batch, queue, underWay, now: Date.now, send, drop });
    this.#gatherers.set(version, { model, gatherer });
    this.#forgetIdle();
    return gatherer;
  }

  /** Versions come and go for as long as the process lives. */
  #forgetIdle(): void {
    for (const [version, { gatherer }] of this.#gatherers) {
      if (this.#gatherers.size <= remembered) return;
      const { waiting, batches } = gatherer.load;
      if (waiting + batches === 0) this.#gatherers.delete(version);
    }
  }

  /** How many of the batch were worked on. Throws where it was not done, when all who wait were told. */
  async #send(model: ModelIdentity, works: readonly Work[]): Promise<number> {
    const batch = this.#deps.newBatch();
    try {
      this.#deps.seen?.sent(model, works.length);
      await this.#handOver(batch, model, works);
    } catch (error) {
      // Whether the unit was started may be unknown: of its rows and these, the first to be written decides.
      for (const { refuse } of works) refuse(error);
      if (error instanceof ProblemError) this.#recordFailed(works, error.problem);
      throw error;
    }
    const refused = await this.#rows.wait(batch, works);
    if (refused.length === 0) return works.filter(({ late }) => !late).length;
    this.#recordFailed(refused, gaveUp(batch).problem);
    throw gaveUp(batch);
  }

  async #handOver(batch: string, model: ModelIdentity, works: readonly Work[]): Promise<void> {
    const key = `${batchesPrefix}${batch}`;
    const sentAt = Date.now();
    const items = works.map((work) => itemOf(work, sentAt));
    const [first] = items;
    if (first === undefined) return;
    const bodies = works.map(({ picture = new Uint8Array() }) => picture);
    const packed = Buffer.concat(packBatch({ header: { batch, sentAt, model, items }, bodies }));
    await this.#deps.put(key, packed);
    await this.#deps.start({ batch, key, bytes: packed.length }, first);
    for (const work of works) work.picture = undefined;
  }

  /** What was accepted and failed has a row too. */
  #recordFailed(works: readonly FailedWork[], problem: ProblemRecord): void {
    this.#failed.add(works.map((work) => failedRecordOf(work, problem)));
  }
}

const waitedInVain = (deadlineMs: number): ProblemError =>
  new ProblemError('deadline_exceeded', `It was not begun: it would not be done within ${deadlineMs} ms.`);

const takesLonger = (id: number, deadlineMs: number): ProblemError =>
  new ProblemError(
    'deadline_exceeded',
    `It was begun and not done within ${deadlineMs} ms; what it comes to is prediction ${id}.`,
  );

/** Throws what a missed deadline is, or the signal's reason, once `work` takes longer than that. */
async function inTime<T>(
  work: Promise<T>,
  acceptedMs: number,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<T> {
  const stop = Promise.withResolvers<never>();
  const leave = (): void => stop.reject(signal.reason);
  const late = (): void => stop.reject(waitedInVain(deadlineMs));
  const timer = setTimeout(late, Math.max(0, acceptedMs + deadlineMs - Date.now()));
  signal.addEventListener('abort', leave, { once: true });
  try {
    const done = await Promise.race([work, stop.promise]);
    signal.throwIfAborted();
    return done;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  }
}
