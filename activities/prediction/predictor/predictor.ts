/**
 * Predictions as whoever waits for one asks for it: gathered with others, handed over as one durable unit, and answered from the row that
 * the worker has written. What was handed over is carried out and found, also where this process dies meanwhile.
 */
import { type ModelIdentity, type PredictBatch, ProblemError, type ProblemRecord } from '@darkroom/contract';
import type { Records } from '@darkroom/records';
import { type BatchItem, packBatch } from '../batch.ts';
import { Gatherer, type GatherOptions } from '../gather/gatherer.ts';
import { PredictionIds } from '../ids.ts';
import { claimPredictionKey, type PredictionRow, predictionsAt, recordPredictions } from '../records.ts';
import { gaveUp, RowsToCome } from './rows-to-come.ts';

export interface PredictionRequest {
  readonly owner: string;
  /** 1 (first) to 5. */
  readonly priority: number;
  /** The version that predicts. */
  readonly model: ModelIdentity;
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
  readonly request: PredictionRequest;
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
    const { idempotency } = request;
    const own = { id: await this.#ids.next(), acceptedAt: new Date(acceptedMs).toISOString() };
    if (idempotency === undefined) return this.#ask(request, own, acceptedMs);
    const { owner } = request;
    const keyed = await claimPredictionKey(this.#deps.records.db, { ...own, owner, ...idempotency });
    if (keyed.fingerprint !== idempotency.fingerprint)
      throw new ProblemError(
        'idempotency_key_reused',
        `The key belongs to prediction ${keyed.id}, whose request was another.`,
      );
    if (keyed.deletedAt !== undefined)
      throw new ProblemError(
        'idempotency_key_deleted',
        `Prediction ${keyed.id} was deleted at ${keyed.deletedAt.toISOString()}.`,
      );
    const place = { id: keyed.id, acceptedAt: keyed.acceptedAt };
    // Made before, or under way elsewhere, or lost with its process: whoever makes it again writes the row that is there, or none.
    const [row] = keyed.id === own.id ? [] : await predictionsAt(this.#deps.records.db, [place]);
    return row ?? this.#ask(request, place, acceptedMs);
  }

  async #ask(request: PredictionRequest, place: Work['place'], acceptedMs: number): Promise<PredictionRow> {
    const { owner, priority, picture, deadlineMs, signal, model } = request;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<PredictionRow>();
    const work: Work = { request, place, acceptedMs, answer: resolve, refuse: reject };
    const takeBack = this.#gathererOf(model).add({
      owner,
      priority,
      bytes: picture.byteLength,
      until: acceptedMs + deadlineMs,
      work,
    });
    const leave = (): void => {
      if (takeBack()) reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    const late = setTimeout(
      () => {
        const waited = takeBack();
        reject(lateProblem(place.id, deadlineMs, waited));
        if (waited) this.#recordFailed([work], lateProblem(place.id, deadlineMs, true).problem);
      },
      acceptedMs + deadlineMs - Date.now(),
    );
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', leave);
    }
  }

  #gathererOf(model: ModelIdentity): Gatherer<Work> {
    const version = JSON.stringify([model.name, model.version, model.digest]);
    const known = this.#gatherers.get(version);
    if (known !== undefined) return known.gatherer;
    const send = (works: readonly Work[]): Promise<void> => this.#send(model, works);
    const gatherer = new Gatherer<Work>({ ...this.#deps.gather, now: Date.now, send });
    this.#gatherers.set(version, { model, gatherer });
    return gatherer;
  }

  async #send(model: ModelIdentity, works: readonly Work[]): Promise<void> {
    const batch = this.#deps.newBatch();
    const key = `${batchesPrefix}${batch}`;
    this.#deps.seen?.sent(model, works.length);
    const sentAt = Date.now();
    const items = works.map((work) => itemOf(work, sentAt));
    const [first] = items;
    if (first === undefined) return;
    const packed = Buffer.concat(
      packBatch({
        header: { batch, sentAt, model, items },
        bodies: works.map(({ request }) => request.picture),
      }),
    );
    try {
      await this.#deps.put(key, packed);
      await this.#deps.start({ batch, key, bytes: packed.length }, first);
    } catch (error) {
      // Whether the unit was started may be unknown: of its rows and these, the first to be written decides.
      for (const { refuse } of works) refuse(error);
      if (error instanceof ProblemError) this.#recordFailed(works, error.problem);
      return;
    }
    const refused = await this.#rows.wait(batch, works);
    if (refused.length > 0) this.#recordFailed(refused, gaveUp(batch).problem);
  }

  /** What was accepted and failed has a row too; best effort, as its caller is told in any case. */
  #recordFailed(works: readonly Work[], problem: ProblemRecord): void {
    const records = works.map(({ request, place }) => ({
      ...place,
      owner: request.owner,
      state: 'failed' as const,
      result: null,
      label: null,
      score: null,
      output: null,
      problem,
      model: request.model,
      filename: request.filename,
      bytes: request.picture.byteLength,
      timings: {},
      traceId: request.traceId,
    }));
    recordPredictions(this.#deps.records.db, '', records).catch(() => {});
  }
}

function itemOf({ request, place, acceptedMs }: Work, sentAt: number): BatchItem {
  const { owner, filename, picture, topK, deadlineMs, traceId } = request;
  return {
    ...place,
    owner,
    filename,
    bytes: picture.byteLength,
    topK,
    gatherMs: sentAt - acceptedMs,
    until: acceptedMs + deadlineMs,
    traceId,
  };
}

const lateProblem = (id: number, deadlineMs: number, waited: boolean): ProblemError =>
  new ProblemError(
    'deadline_exceeded',
    waited
      ? `It waited ${deadlineMs} ms and was not begun.`
      : `It was begun and not done within ${deadlineMs} ms; once it is, it is prediction ${id}.`,
  );
