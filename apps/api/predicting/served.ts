/** The models that workers have open for predictions, or why they have none, asked for once a second at most: a request waits for no question of Postgres. */
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import { modelProblems, type ServedModel, servedModels } from '@darkroom/models';
import type { Db } from '@darkroom/records';

const freshMs = 1000;

export class ServedPredictors {
  readonly #db: Db;
  #models: readonly ServedModel[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  #why: { readonly askedAt: number; readonly told: ReturnType<typeof modelProblems> } | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Processes that work on predictions, of all workers, as they were told of last. */
  get lanes(): number {
    return this.#models.reduce((sum, { lanes }) => sum + lanes, 0);
  }

  /**
   * The version that a request's `model` names: `default`, or the name of a model. Throws `unknown_model`, and `no_prediction_model` with
   * why there is none, where there is none.
   */
  async version(model: string): Promise<ModelIdentity> {
    if (performance.now() - this.#askedAt > freshMs) {
      const asked = this.#ask();
      // Who has an answer, an old one too, waits for no other: a model that has gone is another request's to find out.
      if (this.#models.length === 0) await asked;
    }
    const [first] = this.#models;
    if (first === undefined) throw await this.#noModel();
    const found = model === 'default' ? first : this.#models.find(({ name }) => name === model);
    if (found === undefined) {
      const names = [...new Set(this.#models.map(({ name }) => name))].join(', ');
      throw new ProblemError(
        'unknown_model',
        `No model ${JSON.stringify(model)} predicts here; there are ${names}.`,
      );
    }
    const { name, version, digest } = found;
    return { name, version, digest };
  }

  /**
   * The versions that a request may be for, of which nothing but its query is read: `named`, or any, as its form may still name one. Throws as
   * {@link version}.
   */
  async candidates(named: string | undefined): Promise<readonly ModelIdentity[]> {
    const first = await this.version(named ?? 'default');
    return named === undefined ? this.#models : [first];
  }

  #ask(): Promise<void> {
    this.#asking ??= (async () => {
      try {
        this.#models = await servedModels(this.#db, 'predictions');
        this.#askedAt = performance.now();
      } finally {
        this.#asking = undefined;
      }
    })();
    // Whoever does not wait for it goes on with what is known.
    this.#asking.catch(() => {});
    return this.#asking;
  }

  async #noModel(): Promise<ProblemError> {
    const now = performance.now();
    if (this.#why === undefined || now - this.#why.askedAt > freshMs)
      this.#why = { askedAt: now, told: modelProblems(this.#db, undefined, 'predictions') };
    const [told] = await this.#why.told;
    const why = told?.problem.detail ?? 'No worker that serves the queue interactive is running.';
    return new ProblemError('no_prediction_model', why, { retryAfterSeconds: 5 });
  }
}
