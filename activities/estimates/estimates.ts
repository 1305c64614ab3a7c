/** Estimates as a process has them: asked without waiting, from runs that were read some seconds ago at most while somebody asks. */
import { type Logger, metrics } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import { type Comparable, type KeyedRun, keptRuns, newRuns, recordRuns } from './history.ts';
import type { Features } from './model/fit.ts';
import { type Assumed, type Estimate, Model, type Run, ratioOf } from './model/model.ts';

export interface EstimatesOptions {
  readonly records: Records;
  readonly logger: Logger;
  /** By kind, what is taken to be true before anything has run. */
  readonly assumed: Readonly<Record<string, Assumed>>;
}

export interface Asked extends Comparable {
  readonly features: Features;
}

/** Milliseconds after which what was read is read on, once somebody asks. */
const freshMs = 3000;
/** Milliseconds that runs wait to be noted together, and how many do; of more the oldest go. */
const gatheredMs = 500;
const mostGathered = 1000;

interface Known {
  readonly of: Comparable;
  readonly count: number;
  readonly runs: readonly Run[];
  /** Made when it is asked for. */
  model?: Model;
}

export class Estimates {
  readonly #options: EstimatesOptions;
  readonly #known = new Map<string, Known>();
  readonly #cold = new Map<string, Model>();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #first: Promise<void> | undefined;
  #gathered: KeyedRun[] = [];
  #flushing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EstimatesOptions) {
    this.#options = options;
  }

  /**
   * What this will take, by what is known now: seconds and bytes. Of a kind that nothing is assumed of throws TypeError: that is a fault of
   * the program. Without {@link ready} before, the first estimates of a process stand on no run.
   */
  estimate({ kind, key, features }: Asked): Estimate {
    if (performance.now() - this.#readAt > freshMs)
      // Postgres is away: what is known goes on to be told.
      this.read().catch((error: unknown) => this.#options.logger.debug({ err: error }, 'estimates not read'));
    const known = this.#known.get(nameOf({ kind, key }));
    if (known === undefined) return this.#coldModel(kind).estimate(features);
    known.model ??= new Model(known.runs, this.#assumed(kind));
    return known.model.estimate(features);
  }

  /** Resolves when what was noted has been read once, or could not be. */
  async ready(): Promise<void> {
    this.#first ??= this.read().catch(() => {});
    await this.#first;
  }

  /** Reads the runs that were noted since; throws `records_unavailable`. */
  read(): Promise<void> {
    this.#reading ??= this.#readOn().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /**
   * Notes a run that ended well, within a second, and how far off it was `estimated`. It never throws and is lost where Postgres is away or
   * the process dies: one run more or less tells nothing.
   */
  record(run: KeyedRun): void {
    observe(run);
    if (this.#gathered.length >= mostGathered) this.#gathered.shift();
    this.#gathered.push(run);
    this.#timer ??= setTimeout(() => void this.flush(), gatheredMs).unref();
  }

  /** Notes what has been gathered; resolves when it is noted, or could not be. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const runs = this.#gathered;
    this.#gathered = [];
    this.#flushing = this.#flushing
      .then(() => recordRuns(this.#options.records.db, runs))
      .catch((error: unknown) =>
        this.#options.logger.warn({ err: error, runs: runs.length }, 'runs were not noted for estimates'),
      );
    return this.#flushing;
  }

  async #readOn(): Promise<void> {
    // A failure too is asked again only after a while.
    this.#readAt = performance.now();
    const known = [...this.#known.values()].map(({ of, count }) => ({ ...of, count }));
    for (const { kind, key, since, count, runs } of await newRuns(this.#options.records.db, known)) {
      const before = since === 0 ? [] : (this.#known.get(nameOf({ kind, key }))?.runs ?? []);
      const last = [...before, ...runs].slice(-keptRuns);
      this.#known.set(nameOf({ kind, key }), { of: { kind, key }, count, runs: last });
    }
  }

  #coldModel(kind: string): Model {
    const model = this.#cold.get(kind) ?? new Model([], this.#assumed(kind));
    this.#cold.set(kind, model);
    return model;
  }

  #assumed(kind: string): Assumed {
    const assumed = this.#options.assumed[kind];
    if (assumed === undefined) throw new TypeError(`Nothing is assumed of how long ${kind} takes.`);
    return assumed;
  }
}

/** Tells the measures how far off a run had been estimated, where it had been. */
export function observe({ kind, seconds, estimated }: KeyedRun): void {
  if (!estimated) return;
  metrics.estimateRatio.observe({ kind }, ratioOf(seconds, estimated));
  const within = seconds <= estimated.p50 ? 'p50' : seconds <= estimated.p90 ? 'p90' : 'beyond';
  metrics.estimatesTotal.inc({ kind, within });
}

const nameOf = ({ kind, key }: Comparable): string => JSON.stringify([kind, key]);
