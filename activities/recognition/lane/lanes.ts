/** The lanes of a worker's models: one pool for each version that is open, all of them within one budget. */
import { type ModelIdentity, ProblemError, type ProblemRecord } from '@darkroom/contract';
import { type Lane, LaneBudget, LaneEnded, LanePool, openLane } from '@darkroom/lane';
import { Lanes } from '@darkroom/platform/lanes.ts';
import type { ModelVersion } from '../model/read.ts';
import type { AnyUnderstanding } from '../model/understanding/understand.ts';
import type { Stage } from '../stages.ts';
import { buildOf, type RecogniserConfig } from './build.ts';
import { type OwnFile, OwnModel } from './own-model.ts';
import type { recognitionShape } from './shape.ts';

export type { RecogniserConfig } from './build.ts';

type Shape = typeof recognitionShape;
type Pool = LanePool<Shape>;

/** Of one picture. */
export interface AskOptions {
  /** The version that the picture is to be looked at with. */
  readonly model: ModelIdentity;
  /** Whose picture it is: where lanes are scarce, owners share them by time. */
  readonly owner?: string;
  readonly signal?: AbortSignal;
  /** Called, and waited for, as each stage begins in process `pid`; what it throws is the end of it. */
  readonly onStage?: (stage: Stage, pid: number) => void | Promise<void>;
}

/** The file of a version on this machine, and what it is opened with. */
export interface PlacedModel extends ModelVersion {
  readonly path: string;
  /** Called where it was seen to be another file by now. */
  readonly refuse?: () => void | Promise<void>;
}

export interface ModelLanesOptions {
  /** URL of a module for files that libvips does not read (`ForeignModule`); without it, HEIC is refused. */
  readonly foreign?: string | undefined;
  /** Brings the file of a version that is not the worker's own; throws what keeps it from that. Without it, there are no others. */
  readonly fetch?: ((model: ModelIdentity) => Promise<PlacedModel>) | undefined;
}

/** Pictures that a lane has in hand: one is inferred, one is decoded, one is drawn into. */
const inHand = 3;
/** Pictures after which a lane is followed by another: what a library leaks with each is given back. */
const mostItems = 2000;
/** Above what a lane has at rest with a large model: memory full of holes. */
const restingShare = 0.6;
const idleSeconds = 600;

interface Open {
  readonly pool: Pool;
  /** As its lanes have told. */
  understanding: AnyUnderstanding | undefined;
  readonly model: ModelIdentity;
  /** Whether a lane of it is kept for whoever comes next. */
  kept: boolean;
  /** When somebody last asked for it, or was answered, milliseconds. */
  askedAt: number;
}

/** Versions are opened as they are asked for. None is closed for another: where there is no room for more lanes, those that rest are ended. */
export class ModelLanes {
  readonly #config: RecogniserConfig;
  readonly #options: ModelLanesOptions;
  readonly #own: OwnModel;
  readonly #budget: LaneBudget;
  /** By digest. */
  readonly #open = new Map<string, Open>();
  readonly #ending = new Set<Promise<void>>();
  /** Why versions are not opened for anybody, by digest. */
  readonly #refused = new Map<string, ProblemRecord>();
  /** The lanes that are open beside the budget, one at a time. */
  readonly #aside = new Set<Pool>();
  readonly #asideTurns = new Lanes(1);

  constructor(config: RecogniserConfig, options: ModelLanesOptions = {}) {
    const { lanes, lanesTogether = 2 * lanes } = config.recognition;
    this.#config = config;
    this.#options = options;
    this.#own = new OwnModel(config);
    this.#budget = new LaneBudget(Math.max(lanes, lanesTogether));
  }

  /** Processes of all versions. */
  get pids(): readonly number[] {
    return [...this.#open.values()].flatMap(({ pool }) => pool.pids);
  }

  /** Processes of one version. */
  pidsOf({ digest }: Pick<ModelIdentity, 'digest'>): readonly number[] {
    return this.#open.get(digest)?.pool.pids ?? [];
  }

  /** The file that the worker was configured with. Throws `unsupported_model` with what to do. */
  own(): Promise<OwnFile> {
    return this.#own.look();
  }

  /** How a version is understood; opens it where that is not known. Throws what opening throws: `unsupported_model` with what to do, what fetching throws. */
  async understanding(model: ModelIdentity): Promise<AnyUnderstanding> {
    this.#requireNotRefused(model);
    const open = this.#of(model);
    try {
      return open.understanding ?? (await this.#told(open));
    } catch (error) {
      // It was unloaded meanwhile: whoever asks has it opened anew.
      if (this.#open.get(model.digest) === open) throw error;
      return this.understanding(model);
    }
  }

  /**
   * As `understanding`, for whoever has nothing to do with it yet: takes no lane from anybody. Where there is no room, a lane is opened beside the
   * budget, one at a time, and ended when it has told. Opens it also where it is refused to others.
   */
  async learn(model: ModelIdentity): Promise<AnyUnderstanding> {
    const open = this.#of(model);
    if (open.understanding !== undefined) return open.understanding;
    if (open.pool.pids.length > 0 || this.#budget.free > 0) return this.#told(open);
    return this.#asideTurns.run(() => this.#toldAside(open));
  }

  /** From now on whoever asks for that version is told so at once, and no process is opened for it each time; until it is undefined. */
  refuse({ digest }: Pick<ModelIdentity, 'digest'>, problem: ProblemRecord | undefined): void {
    if (problem === undefined) this.#refused.delete(digest);
    else this.#refused.set(digest, problem);
  }

  /**
   * Has a lane of a version open, if there is room for one, and keeps one from now on if `kept`. Whether there is one. Throws what opening throws:
   * each time, and whatever others there are.
   */
  async warm(model: ModelIdentity, kept: boolean): Promise<boolean> {
    const open = this.#of(model);
    open.kept = kept;
    if (open.pool.pids.length === 0 && this.#budget.free === 0) return false;
    await this.#told(open);
    return true;
  }

  /** `LanePool.ask` of a version's lanes. Where no process can be opened it throws `unsupported_model`, which may be tried again. */
  askOf(model: ModelIdentity): Pool['ask'] {
    this.#requireNotRefused(model);
    const open = this.#of(model);
    return (task, item, options) =>
      orUnsupported(open.pool.ask(task, item, options)).finally(() => {
        open.askedAt = performance.now();
      });
  }

  /** Versions that nobody has asked for, for so many seconds, and that have nothing in hand. */
  unused(seconds: number): ModelIdentity[] {
    const before = performance.now() - seconds * 1000;
    return [...this.#open.values()].flatMap(({ pool, model, askedAt }) =>
      pool.isQuiet && askedAt < before ? model : [],
    );
  }

  /** Ends the lanes of a version when what they have in hand is done, with all that its runtime holds. Whoever asks later has it opened anew. */
  async unload({ digest }: Pick<ModelIdentity, 'digest'>): Promise<void> {
    const open = this.#open.get(digest);
    if (open === undefined) return;
    this.#open.delete(digest);
    const ending = open.pool.end().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    await ending;
  }

  /** Ends all lanes. */
  async close(): Promise<void> {
    const pools = [...this.#aside, ...this.#open.values().map(({ pool }) => pool)];
    await Promise.all([...this.#ending, ...pools.map((pool) => pool.close())]);
  }

  #requireNotRefused({ digest }: ModelIdentity): void {
    const problem = this.#refused.get(digest);
    // Where a lane is there all the same, it was opened since.
    if (problem !== undefined && this.pidsOf({ digest }).length === 0)
      throw new ProblemError(problem.code, problem.detail);
  }

  #of(model: ModelIdentity): Open {
    const known = this.#open.get(model.digest);
    if (known !== undefined) {
      known.askedAt = performance.now();
      return known;
    }
    const { lanes, memoryBytes } = this.#config.recognition;
    const pool: Pool = new LanePool({
      ...this.#poolOf(model),
      lanes,
      mostItems,
      mostBytes: restingShare * memoryBytes,
      idleSeconds,
      budget: this.#budget,
      keepsOne: () => open.kept,
    });
    const open: Open = { pool, understanding: undefined, model, kept: false, askedAt: performance.now() };
    this.#open.set(model.digest, open);
    return open;
  }

  #poolOf(model: ModelIdentity) {
    const itemSeconds = this.#config.recognition.seconds;
    const memoryVariable = 'RECOGNITION_MEMORY_BYTES';
    return { open: () => this.#openLane(model), lanes: 1, inHand, itemSeconds, memoryVariable };
  }

  async #toldAside(open: Open): Promise<AnyUnderstanding> {
    const pool: Pool = new LanePool(this.#poolOf(open.model));
    this.#aside.add(pool);
    try {
      open.understanding = await orUnsupported(pool.told());
      return open.understanding;
    } finally {
      await pool.close();
      this.#aside.delete(pool);
    }
  }

  async #told(open: Open): Promise<AnyUnderstanding> {
    open.understanding = await orUnsupported(open.pool.told());
    return open.understanding;
  }

  async #openLane(model: ModelIdentity): Promise<Lane<Shape>> {
    const placed = await this.#place(model);
    try {
      return await this.#openAt(placed);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code !== 'source_changed') throw error;
      // Its file was replaced since it was looked at: it lies elsewhere, or nowhere.
      await placed.refuse?.();
      return this.#openAt(await this.#place(model));
    }
  }

  async #openAt({ path, identity, card }: PlacedModel): Promise<Lane<Shape>> {
    const { modelsDir, device, threads, memoryBytes } = this.#config.recognition;
    const { foreign } = this.#options;
    const version = { identity, card };
    return openLane(await buildOf(this.#config, path), {
      model: { modelPath: path, modelsDir, version, device, threads, memoryBytes },
      ...(foreign !== undefined && { foreign }),
    });
  }

  async #place(model: ModelIdentity): Promise<PlacedModel> {
    const { fetch } = this.#options;
    const own = await this.#own.look().catch((error: unknown) => {
      if (fetch === undefined) throw error;
      return undefined;
    });
    if (own?.identity.digest === model.digest) return { ...own, refuse: () => this.#own.forget() };
    if (fetch !== undefined) return fetch(model);
    const [wanted, has] = [model, own?.identity].map((one) => `${one?.name} ${one?.version}`);
    throw new ProblemError('unsupported_model', `The model was replaced meanwhile: ${wanted} by ${has}.`);
  }
}

const orUnsupported = <R>(asked: Promise<R>): Promise<R> =>
  asked.catch((error: unknown) => {
    throw error instanceof LaneEnded
      ? new ProblemError('unsupported_model', `No process could be opened for the model: ${error.message}`, {
          cause: error,
        })
      : error;
  });

/** What of that a pool is asked with. */
export const poolOptions = ({ owner, signal, onStage }: AskOptions) => ({
  ...(owner !== undefined && { owner }),
  ...(signal && { signal }),
  ...(onStage && { onStage }),
});
