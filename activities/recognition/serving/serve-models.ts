/**
 * What a worker holds open is what the records say: its own model, those that are wanted, those that other workers have of their own. It looks again
 * when Postgres tells of a change, and every few seconds; and it says each time what came of each, and that it lives.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ModelService, modelsChannel, type ProblemRecord } from '@darkroom/contract';
import type { FrameDeps } from '@darkroom/frame';
import {
  confirmModels,
  forgetWorker,
  type ListedVersion,
  seenWorker,
  tellModel,
  versionsToOpen,
} from '@darkroom/models';
import type { ModelLanes } from '../lane/lanes.ts';
import type { OwnFile } from '../lane/own-model.ts';
import { noDetector } from '../model/understanding/understand.ts';
import { HeldVersions, problemOfOpening } from './held.ts';
import type { ModelCache } from './model-cache.ts';
import { registerOwnFile } from './own-version.ts';
import { tryCandidate } from './trial.ts';

export interface ServingDeps extends Pick<FrameDeps, 'records' | 'storage' | 'logger'> {
  /** Under which it tells what it has. */
  readonly worker: string;
  readonly models: ModelLanes;
  readonly cache: ModelCache;
}

export interface Serving {
  readonly serves: ModelService;
  /** How many processes each version has at most. */
  readonly lanes: number;
  /** Whether a lane of each version is kept warm, as far as there is room. */
  readonly warm: boolean;
}

/** No less often than `believedSeconds` of the records want: what is told with each look is believed for some of them. */
const lookMs = 2000;
/** As it starts, a worker waits so long at most for what others want of it: no batch comes to it before. */
const beginMs = 60_000;
/** What was away is tried again after so long. */
const againMs = 10_000;
/** A version that was opened for a batch or a job, and is not held, is closed when nobody has asked for it for so long. */
export const unusedSeconds = 60;

/**
 * Opens the worker's own model and what else is wanted, and goes on so until what it returns is called. Settles when it is told what came of its own.
 * Never fails: what comes meanwhile says for what it waits, and records that are away are told later.
 */
export async function serveModels(deps: ServingDeps, serving: Serving): Promise<() => Promise<void>> {
  const served = new ServedModels(deps, serving);
  await served.begin();
  return () => served.end();
}

class ServedModels {
  readonly #deps: ServingDeps;
  readonly #serving: Serving;
  readonly #held: HeldVersions;
  readonly #stop = new AbortController();
  #poked = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #listening: Promise<{ unlisten(): Promise<void> }> | undefined;
  /** As the records had it last. */
  #rows: readonly ListedVersion[] = [];
  #own: { readonly file: OwnFile } | { readonly problem: ProblemRecord } | undefined;
  /** Digest of the own file that is registered, or cannot be. */
  #registered: string | undefined;
  readonly #trying = new Map<string, Promise<void>>();
  /** What was told last. */
  #told = '';
  #toldOwn = '';

  constructor(deps: ServingDeps, serving: Serving) {
    this.#deps = deps;
    this.#serving = serving;
    const { models, logger } = deps;
    const { lanes, warm } = serving;
    this.#held = new HeldVersions({ models, logger, lanes, warm, changed: () => this.#poke() });
  }

  async begin(): Promise<void> {
    await this.#look();
    const started = new AbortController();
    await Promise.race([
      this.#held.allSettled(),
      sleep(beginMs, undefined, { ref: false, signal: started.signal }).catch(() => {}),
    ]);
    started.abort();
    if (this.#own !== undefined && 'file' in this.#own) await this.#held.settled(this.#own.file.identity);
    await this.#tell();
    const poke = (): void => this.#poke();
    this.#listening = this.#deps.records.listen(modelsChannel, poke, poke);
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#stop.abort();
    this.#poke();
    await Promise.all([this.#running, ...this.#trying.values()]);
    await (await this.#listening)?.unlisten();
    // Where that fails, what it said is believed for a minute.
    await forgetWorker(this.#deps.records.db, this.#deps.worker).catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const timer = setTimeout(() => this.#poke(), lookMs).unref();
      await this.#poked.promise;
      clearTimeout(timer);
      this.#poked = Promise.withResolvers();
      if (signal.aborted) return;
      await this.#look();
      await this.#tell();
    }
  }

  #poke(): void {
    this.#poked.resolve();
  }

  /** One look at the own file and at the records, and what follows from them. */
  async #look(): Promise<void> {
    const { records, models, logger } = this.#deps;
    try {
      this.#rows = await versionsToOpen(records.db, this.#serving.serves);
    } catch (error) {
      logger.debug({ err: error }, 'the records did not say which models are wanted; trying again');
    }
    const own = await this.#lookAtOwn();
    const ready = this.#rows.filter(
      ({ state, digest }) => state === 'ready' && digest !== own?.identity.digest,
    );
    this.#held.look([
      ...(own === undefined ? [] : [{ identity: own.identity, own: true }]),
      ...ready.map(({ name, version, digest }) => ({ identity: { name, version, digest }, own: false })),
    ]);
    if (own !== undefined && this.#held.of(own.identity)?.opened !== undefined) void this.#register(own);
    for (const row of this.#rows) if (row.state === 'candidate') this.#try(row);
    for (const model of models.unused(unusedSeconds)) if (!this.#held.has(model)) void models.unload(model);
  }

  async #lookAtOwn(): Promise<OwnFile | undefined> {
    const { models, logger } = this.#deps;
    const before = this.#own;
    try {
      const file = await models.own();
      if (this.#serving.serves === 'recognition' && file.card.task === 'classifier')
        throw noDetector(file.identity.name);
      this.#own = { file };
      return file;
    } catch (error) {
      const problem = problemOfOpening(error);
      this.#own = { problem };
      if (before === undefined || !('problem' in before) || before.problem.detail !== problem.detail)
        logger.error({ code: problem.code }, `no model for ${this.#serving.serves}: ${problem.detail}`);
      return undefined;
    }
  }

  async #register(own: OwnFile): Promise<void> {
    const { digest } = own.identity;
    if (this.#registered === digest) return;
    this.#registered = digest;
    const { logger } = this.#deps;
    if (own.hasMore)
      return logger.warn({ path: own.path }, 'the model has files beside it: no other worker can open it');
    try {
      await registerOwnFile(this.#deps, own);
    } catch (error) {
      const { code, detail } = problemOfOpening(error);
      logger.warn({ code, model: own.identity }, `the model could not be registered: ${detail}`);
      // Another name is needed, or what was away comes back.
      if (code !== 'model_version_exists')
        sleep(againMs, undefined, { ref: false }).then(() => {
          if (this.#registered === digest) this.#registered = undefined;
        });
    }
  }

  #try(row: ListedVersion): void {
    const { digest } = row;
    if (this.#trying.has(digest)) return;
    const trying = this.#tried(row).finally(() => this.#trying.delete(digest));
    this.#trying.set(digest, trying);
  }

  /** Settles when it may be tried again. */
  async #tried(row: ListedVersion): Promise<void> {
    const { logger, models } = this.#deps;
    const { signal } = this.#stop;
    const model = { name: row.name, version: row.version, digest: row.digest };
    try {
      const tried = await tryCandidate(this.#deps, row, signal);
      if (tried !== undefined && 'problem' in tried)
        logger.warn({ model, code: tried.problem.code }, `a candidate failed: ${tried.problem.detail}`);
      else if (tried !== undefined)
        logger.info({ model }, `a candidate is ready: ${tried.opened.understood}`);
      if (tried !== undefined) this.#poke();
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ model, err: error }, 'a candidate could not be tried here; trying again');
      await sleep(againMs, undefined, { ref: false, signal }).catch(() => {});
    } finally {
      // One that is wanted is held by now, or with the next look; its lane is not ended for that.
      if (!row.wanted && !this.#held.has(model)) void models.unload(model);
    }
  }

  /** Tells the records all of it, and so that the worker lives. */
  async #tell(): Promise<void> {
    const { records, worker, cache, logger } = this.#deps;
    const { serves, lanes } = this.#serving;
    const said = this.#held.confirmations();
    const text = JSON.stringify(said);
    try {
      await confirmModels(records.db, worker, serves, said, text === this.#told ? [] : this.#held.opened());
      this.#told = text;
      const own = this.#ownNews();
      // As releases before confirmations read it, and for what has no name: a file that is no model.
      if (own.news !== undefined && (own.text !== this.#toldOwn || !(await seenWorker(records.db, worker)))) {
        await tellModel(records.db, worker, { ...own.news, serves, lanes });
        this.#toldOwn = own.text;
      }
      await cache.keep(this.#rows.filter((row) => this.#held.has(row)).map(({ sha256 }) => sha256));
    } catch (error) {
      logger.debug({ err: error }, 'the records were not told of the models; trying again');
    }
  }

  #ownNews() {
    const own = this.#own;
    const came = own !== undefined && 'file' in own ? this.#held.of(own.file.identity) : own;
    const news =
      came?.problem !== undefined
        ? { problem: came.problem }
        : came !== undefined && 'opened' in came && came.opened !== undefined
          ? { opened: came.opened }
          : undefined;
    return { news, text: JSON.stringify(news ?? null) };
  }
}
