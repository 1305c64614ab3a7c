/**
 * The models that workers have open for predictions, and which names stand for which of them, in memory: a request waits for no question of
 * Postgres. Postgres tells of each change; for what is told while nobody listens, it is asked once a second while requests come.
 */
import { type ModelIdentity, type ModelService, modelsChannel, ProblemError } from '@darkroom/contract';
import {
  type ModelsNow,
  modelProblems,
  modelsNow,
  namesFor,
  type ResolvedModel,
  resolveModel,
} from '@darkroom/models';
import type { Records } from '@darkroom/records';

/** Older than this it is asked for again, behind the request. */
const freshMs = 1000;
/** Older than this the request waits for it: nobody has asked for long. */
const staleMs = 2000;

const nothing: ModelsNow = { versions: [], aliases: [], defaults: {} };
const serves: ModelService = 'predictions';

export class ServedModels {
  readonly #records: Pick<Records, 'db' | 'listen'>;
  #now: ModelsNow = nothing;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;
  /** Something was told while it was being asked. */
  #again = false;
  #listening: Promise<{ unlisten(): Promise<void> }> | undefined;
  #why: { readonly askedAt: number; readonly told: ReturnType<typeof modelProblems> } | undefined;

  constructor(records: Pick<Records, 'db' | 'listen'>) {
    this.#records = records;
  }

  /** Processes of all living workers that work with a version, as they were told of last. */
  lanesOf({ name, version, digest }: ModelIdentity): number {
    const found = this.#now.versions.find(
      (one) => one.name === name && one.version === version && one.digest === digest,
    );
    return found?.open[serves]?.lanes ?? 0;
  }

  /** Whether a version was registered, or open at a worker, when that was last asked for. */
  isKnown(of: Pick<ModelIdentity, 'name' | 'version'>): boolean {
    return this.#now.versions.some(({ name, version }) => name === of.name && version === of.version);
  }

  /**
   * What a request's `model` means: `default`, `NAME`, `NAME@ALIAS` or `NAME@VERSION`; `draw` as {@link resolveModel} has it. Throws
   * `unknown_model`, `model_not_ready`, and `no_prediction_model` with why where nobody has it open.
   */
  async resolve(asked: string, draw?: () => number): Promise<ResolvedModel> {
    await this.#refresh();
    if (namesFor(this.#now, serves).length === 0) throw await this.#noModel();
    const found = resolveModel(this.#now, serves, asked, draw);
    if (found === undefined) throw await this.#noModel();
    if (found.open.workers > 0) return found;
    const { name, version } = found.model;
    throw new ProblemError('no_prediction_model', `No living worker has ${name} ${version} open now.`, {
      retryAfterSeconds: 5,
    });
  }

  /**
   * The versions that a request may be for, of which nothing but its query is read: what `named` stands for, with its canary, or any, as its
   * form may still name one. Throws as {@link resolve}.
   */
  async candidates(named: string | undefined): Promise<readonly ModelIdentity[]> {
    if (named !== undefined) {
      const meant = [await this.resolve(named, () => 1), await this.resolve(named, () => 0)];
      return meant.map(({ model }) => model);
    }
    await this.#refresh();
    const open = this.#now.versions.filter((version) => version.open[serves] !== undefined);
    if (open.length === 0) throw await this.#noModel();
    return open.map(({ name, version, digest }) => ({ name, version, digest }));
  }

  async close(): Promise<void> {
    await (await this.#listening)?.unlisten();
    await this.#asking?.catch(() => {});
  }

  async #refresh(): Promise<void> {
    this.#listen();
    const ageMs = performance.now() - this.#askedAt;
    if (ageMs <= freshMs) return;
    const asking = this.#ask();
    // Where Postgres is away, what is known goes on to hold.
    if (ageMs > staleMs) await (this.#now === nothing ? asking : asking.catch(() => {}));
  }

  /** From the first request on: a process of which nobody wants predictions has no connection for them. */
  #listen(): void {
    const look = (): void => {
      if (this.#asking === undefined) void this.#ask();
      else this.#again = true;
    };
    this.#listening ??= this.#records.listen(modelsChannel, look, look);
  }

  #ask(): Promise<void> {
    this.#asking ??= (async () => {
      try {
        do {
          this.#again = false;
          const began = performance.now();
          this.#now = await modelsNow(this.#records.db);
          this.#askedAt = began;
        } while (this.#again);
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
      this.#why = { askedAt: now, told: modelProblems(this.#records.db, undefined, serves) };
    const [told] = await this.#why.told;
    const why = told?.problem.detail ?? 'No worker that serves the queue interactive is running.';
    return new ProblemError('no_prediction_model', why, { retryAfterSeconds: 5 });
  }
}
