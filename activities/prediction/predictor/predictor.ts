/**
 * Predictions as whoever waits for one asks for it: gathered with others, handed over as one durable unit, and answered from the row that
 * the worker has written. What was handed over is carried out and found, also where this process dies meanwhile.
 */
import { type ModelIdentity, type PredictBatch, ProblemError, type ProblemRecord } from '@darkroom/contract';
import type { Records } from '@darkroom/records';
import { type BatchItem, packBatch } from '../batch.ts';
import { Gatherer, type GatherOptions } from '../gather/gatherer.ts';
import { PredictionIds } from '../ids.ts';
import {
  claimPredictionKey,
  type PredictionKey,
  type PredictionRow,
  predictionsAt,
  rebindPredictionKey,
  recordPredictions,
} from '../records.ts';
import { gaveUp, RowsToCome } from './rows-to-come.ts';

export interface PredictionRequest {
  readonly owner: string;
  /** 1 (first) to 5. */
  readonly priority: number;
  /** The version that predicts. */
  readonly model: ModelIdentity;
  /** Name by which it was chosen, if any, and whether as its canary. */
  readonly alias: string | null;
  readonly canary: boolean;
  readonly picture: Uint8Array;
  /** As the user named it. */
  readonly filename: string;
  /** Classes of a classifier that are told of. */
  readonly topK: number;
  /** Milliseconds after which nobody waits for it any more. */
  readonly deadlineMs: number;
  readonly traceId: string | null;
  /** With the SHA-256 of all that the request says: the same again is the same prediction. */
  readonly idempotency?: { readonly key: string; readonly fingerprint: string } | undefined;
  /** Aborts when whoever asks has gone: what was not handed over is not done then. */
  readonly signal: AbortSignal;
}

export interface PredictorDeps {
  readonly records: Pick<Records, 'db' | 'listen'>;
  /** Puts an object under a key of the platform's bucket. */
  readonly put: (key: string, bytes: Buffer) => Promise<unknown>;
  /** Starts the unit of a batch; one that is there already is fine. */
  readonly start: (batch: PredictBatch, first: BatchItem) => Promise<void>;
  /** Whether the engine still works on the batch, or means to. */
  readonly isOpen: (batch: string) => Promise<boolean>;
  /** How often that is asked of a batch that takes long, milliseconds; 5,000. */
  readonly askMs?: number;
  /** A name that no other batch has; in the order of time. */
  readonly newBatch: () => string;
  /** Of each model version. */
  readonly gather: Pick<GatherOptions<unknown>, 'batch' | 'queue' | 'underWay'>;
  /** Told of each prediction that was answered, and of each that was not. */
  readonly seen?: Seen;
}

/** What is measured. */
export interface Seen {
  sent(model: ModelIdentity, items: number): void;
  answered(model: ModelIdentity, row: PredictionRow, totalMs: number): void;
  refused(model: ModelIdentity, code: string): void;
}

/** Where packed objects lie until their batch was predicted. */
export const batchesPrefix = 'prediction-batches/';

/** One that waits to be handed over. */
interface Work {
  readonly request: Omit<PredictionRequest, 'picture'>;
  /** Absent once it was handed over: nobody here needs it any more. */
  picture: Uint8Array | undefined;
  readonly bytes: number;
  readonly place: { readonly id: number; readonly acceptedAt: string };
  readonly acceptedMs: number;
  readonly answer: (row: PredictionRow) => void;
  readonly refuse: (error: unknown) => void;
}

export class Predictor {
  readonly #deps: PredictorDeps;
  readonly #ids: PredictionIds;
  readonly #rows: RowsToCome<Work>;
  readonly #gatherers = new Map<
    string,
    { readonly model: ModelIdentity; readonly gatherer: Gatherer<Work> }
  >();

  constructor(deps: PredictorDeps) {
    this.#deps = deps;
    this.#ids = new PredictionIds(deps.records.db);
    this.#rows = new RowsToCome(deps);
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

  /** Takes nothing in any more where its caller sees to that; resolves when all that was taken in has come to its end. */
  async drained(): Promise<void> {
    await Promise.all([...this.#gatherers.values()].map(({ gatherer }) => gatherer.idle()));
  }

  async close(): Promise<void> {
    await this.#rows.close();
  }

  async #predict(request: PredictionRequest, acceptedMs: number): Promise<PredictionRow> {
    const { idempotency, owner } = request;
    const own = { id: await this.#ids.next(), acceptedAt: new Date(acceptedMs).toISOString() };
    if (idempotency === undefined) return this.#ask(request, own, acceptedMs);
    const { db } = this.#deps.records;
    const wanted = { ...own, owner, ...idempotency };
    const keyed = requireSame(await claimPredictionKey(db, wanted), idempotency.fingerprint);
    // Made before, or under way elsewhere, or lost with its process: whoever makes it again writes the row that is there, or none.
    const [row] = keyed.id === own.id ? [] : await predictionsAt(db, [keyed]);
    if (row === undefined) return this.#ask(request, keyed, acceptedMs);
    if (row.problem?.retryable !== true) return row;
    // What failed for what passes is not what the key stands for.
    const again = await rebindPredictionKey(db, keyed, wanted);
    return this.#ask(request, requireSame(again, idempotency.fingerprint), acceptedMs);
  }

  async #ask(
    { picture, ...request }: PredictionRequest,
    { id, acceptedAt }: Work['place'],
    acceptedMs: number,
  ): Promise<PredictionRow> {
    const { owner, priority, deadlineMs, signal, model } = request;
    signal.throwIfAborted();
    const until = acceptedMs + deadlineMs;
    if (Date.now() > until) throw lateProblem(id, deadlineMs, true);
    const { promise, resolve, reject } = Promise.withResolvers<PredictionRow>();
    const bytes = picture.byteLength;
    const work: Work = {
      request,
      picture,
      bytes,
      place: { id, acceptedAt },
      acceptedMs,
      answer: resolve,
      refuse: reject,
    };
    const takeBack = this.#gathererOf(model).add({ owner, priority, bytes, until, work });
    const leave = (): void => {
      if (takeBack()) reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    const late = setTimeout(() => {
      if (takeBack()) this.#drop(work, 'late');
      else reject(lateProblem(id, deadlineMs, false));
    }, until - Date.now());
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', leave);
    }
  }

  /** What was taken in and is sent to nobody. */
  #drop(work: Work, why: 'overloaded' | 'late'): void {
    const problem =
      why === 'late'
        ? lateProblem(work.place.id, work.request.deadlineMs, true)
        : new ProblemError('overloaded', 'It made way for those of others.', { retryAfterSeconds: 1 });
    work.refuse(problem);
    if (why === 'late') this.#recordFailed([work], problem.problem);
  }

  #gathererOf(model: ModelIdentity): Gatherer<Work> {
    const version = JSON.stringify([model.name, model.version, model.digest]);
    const known = this.#gatherers.get(version);
    if (known !== undefined) return known.gatherer;
    const send = (works: readonly Work[]): Promise<void> => this.#send(model, works);
    const drop = (work: Work, why: 'overloaded' | 'late'): void => this.#drop(work, why);
    const gatherer = new Gatherer<Work>({ ...this.#deps.gather, now: Date.now, send, drop });
    this.#gatherers.set(version, { model, gatherer });
    return gatherer;
  }

  /** Throws where the batch was not done, when all who wait were told. */
  async #send(model: ModelIdentity, works: readonly Work[]): Promise<void> {
    const batch = this.#deps.newBatch();
    this.#deps.seen?.sent(model, works.length);
    try {
      await this.#handOver(batch, model, works);
    } catch (error) {
      // Whether the unit was started may be unknown: of its rows and these, the first to be written decides.
      for (const { refuse } of works) refuse(error);
      if (error instanceof ProblemError) this.#recordFailed(works, error.problem);
      throw error;
    }
    const refused = await this.#rows.wait(batch, works);
    if (refused.length === 0) return;
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

  /** What was accepted and failed has a row too; best effort, as its caller is told in any case. */
  #recordFailed(works: readonly Work[], problem: ProblemRecord): void {
    const records = works.map(({ request, place, bytes }) => ({
      ...place,
      owner: request.owner,
      state: 'failed' as const,
      result: null,
      label: null,
      score: null,
      output: null,
      problem,
      model: request.model,
      alias: request.alias,
      canary: request.canary,
      filename: request.filename,
      bytes,
      timings: {},
      traceId: request.traceId,
    }));
    recordPredictions(this.#deps.records.db, '', records).catch(() => {});
  }
}

function itemOf({ request, bytes, place, acceptedMs }: Work, sentAt: number): BatchItem {
  const { owner, filename, topK, deadlineMs, traceId, alias, canary } = request;
  return {
    ...place,
    owner,
    filename,
    bytes,
    topK,
    gatherMs: sentAt - acceptedMs,
    until: acceptedMs + deadlineMs,
    traceId,
    alias,
    canary,
  };
}

const lateProblem = (id: number, deadlineMs: number, waited: boolean): ProblemError =>
  new ProblemError(
    'deadline_exceeded',
    waited
      ? `It waited ${deadlineMs} ms and was not begun.`
      : `It was begun and not done within ${deadlineMs} ms; what it comes to is prediction ${id}.`,
  );

/** Throws where the key stands for another request, or for a prediction that was deleted. */
function requireSame(keyed: PredictionKey, fingerprint: string): PredictionKey {
  if (keyed.fingerprint !== fingerprint)
    throw new ProblemError(
      'idempotency_key_reused',
      `The key belongs to prediction ${keyed.id}, whose request was another.`,
    );
  if (keyed.deletedAt !== undefined)
    throw new ProblemError(
      'idempotency_key_deleted',
      `Prediction ${keyed.id} was deleted at ${keyed.deletedAt.toISOString()}.`,
    );
  return keyed;
}
