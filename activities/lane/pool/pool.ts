/**
 * Warm lanes of one build, shared by whoever asks. A lane that ends under what it has in hand costs nobody but the item that ended it: each
 * is done again by itself, in a lane where nothing else is, and what ends that one too is named.
 */
import { ProblemError } from '@darkroom/contract/problems/problem.ts';
import { LaneDied, LaneEnded } from '../errors.ts';
import type { LaneAnswer, LaneItem } from '../parent/run.ts';
import type { LaneShape, StageName, TaskName, Told } from '../shape.ts';
import { unlessAborted } from '../waiting.ts';
import { blamed } from './blame.ts';
import { type KeptLane, KeptLanes, type KeptLanesOptions } from './kept-lanes.ts';
import { Turns } from './turns.ts';

export interface PoolOptions<S extends LaneShape> extends KeptLanesOptions<S> {
  /** Of one item, seconds. */
  readonly itemSeconds: number;
  /** Name of the variable that bounds a lane's memory, for messages. */
  readonly memoryVariable?: string;
  /** Without anything to do for so long, all are ended, but for one where `keepsOne` says so. */
  readonly idleSeconds?: number;
}

export interface PoolItem<S extends LaneShape, K extends TaskName<S>> extends LaneItem<S['tasks'][K]> {
  /** For messages. */
  readonly name: string;
}

export interface AskOptions<S extends LaneShape, K extends TaskName<S>> {
  /** Whose item it is: owners share the lanes by time. */
  readonly owner?: string;
  readonly signal?: AbortSignal;
  /** As of `run`, and again where it is done again. */
  readonly onStage?: (stage: StageName<S['tasks'][K]>, pid: number) => void | Promise<void>;
  /** Looks at the lane that is to do it; what it throws is the end of it. */
  readonly check?: (told: Told<S>) => void;
}

type ResultOf<S extends LaneShape, K extends TaskName<S>> = Extract<
  LaneAnswer<S['tasks'][K]>,
  { type: 'result' }
>;

/** What came of an item in a lane: without an answer the lane ended under it. */
type Outcome<R> =
  | { readonly answer: R; readonly error?: undefined }
  | { readonly answer?: undefined; readonly error: unknown };

/** Tries alone after an end that nothing in a lane brings about: somebody, or the system where memory is short, sent SIGKILL. */
const triesAfterKill = 3;
/** Items of an owner that are done alone, while others are there, after one of its items has ended a lane. */
const itemsApart = 50;

export class LanePool<S extends LaneShape> {
  readonly #options: PoolOptions<S>;
  /** In lanes beside others, and in one alone. */
  readonly #turns: Turns<'beside' | 'alone'>;
  readonly #lanes: KeptLanes<S>;
  #asked = 0;
  /** Settles when nothing is asked for. */
  #quiet = Promise.withResolvers<void>();
  /** Owners whose items have ended lanes, and how many of their next ones are kept apart from others'. */
  readonly #apart = new Map<string, number>();
  /** How often all were ended. */
  #closed = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions<S>) {
    this.#options = options;
    this.#turns = new Turns({ beside: options.lanes * options.inHand, alone: 1 });
    this.#lanes = new KeptLanes(options);
  }

  /** Processes of the lanes that are open. */
  get pids(): readonly number[] {
    return this.#lanes.pids;
  }

  /** Whether nothing is asked for that is not answered. */
  get isQuiet(): boolean {
    return this.#asked === 0;
  }

  /** What the newest lane says of itself; opens one where there is none. Throws what opening throws. */
  async told(): Promise<Told<S>> {
    const { told } = await this.#lanes.newest();
    this.#rest();
    return told;
  }

  /**
   * Has `item` done, beside others. After one that ended its lane, the next of its owner are done alone while others ask for something: each such
   * end would have theirs done again. Throws what it failed by; ProblemError `poisonous_item`, `item_timeout`, `memory_limit` where a lane ended
   * under it when it was alone there; the signal's reason, at once: a lane in which nobody waits for anything then is ended.
   */
  async ask<K extends TaskName<S>>(
    task: K,
    item: PoolItem<S, K>,
    options: AskOptions<S, K> = {},
  ): Promise<ResultOf<S, K>> {
    if (this.#asked++ === 0) this.#quiet = Promise.withResolvers();
    clearTimeout(this.#idle);
    const closed = this.#closed;
    const goOn = (error: unknown): void => {
      if (this.#closed !== closed) throw error;
    };
    const { owner = '', signal } = options;
    try {
      const beside = this.#isApart(owner) ? undefined : await this.#askBeside(task, item, options);
      if (beside?.answer !== undefined) return beside.answer;
      const alone = () => {
        if (beside !== undefined) goOn(beside.error);
        return this.#askAlone(task, item, options, goOn);
      };
      return await this.#turns.run('alone', owner, alone, signal);
    } finally {
      if (--this.#asked === 0) this.#quiet.resolve();
      this.#rest();
    }
  }

  #isApart(owner: string): boolean {
    const left = this.#apart.get(owner) ?? 0;
    if (left === 0 || !this.#turns.hasOthers(owner)) return false;
    if (left === 1) this.#apart.delete(owner);
    else this.#apart.set(owner, left - 1);
    return true;
  }

  /** Ends all lanes when what was asked of them is answered, for good: whoever asks later is told LaneEnded. */
  async end(): Promise<void> {
    if (this.#asked > 0) await this.#quiet.promise;
    this.#lanes.leave();
    await this.close();
  }

  /** Ends all lanes; what they have in hand fails by LaneEnded. Whoever asks later has others opened. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    this.#closed++;
    await this.#lanes.close();
  }

  /** Does it in a lane where others may be too. */
  #askBeside<K extends TaskName<S>>(
    task: K,
    item: PoolItem<S, K>,
    options: AskOptions<S, K>,
  ): Promise<Outcome<ResultOf<S, K>>> {
    const { owner = '', signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<ResultOf<S, K>>>();
    const work = async (): Promise<void> => {
      const placing = this.#lanes.place();
      // A lane that is being opened is for whoever comes next then.
      unlessAborted(placing, signal).catch(reject);
      const { outcome, settled } = this.#begin(await placing, task, item, options);
      outcome.then(resolve, reject);
      // The place is taken until the lane has done with it, whoever waits.
      await settled;
    };
    this.#turns.run('beside', owner, work, signal).catch(reject);
    return promise;
  }

  /** Begins it in a lane in which it has a place. `outcome` settles at once when the signal aborts, `settled` when the lane has done with it. */
  #begin<K extends TaskName<S>>(
    kept: KeptLane<S>,
    task: K,
    item: PoolItem<S, K>,
    { signal, onStage, check }: AskOptions<S, K>,
  ): { readonly outcome: Promise<Outcome<ResultOf<S, K>>>; readonly settled: Promise<void> } {
    const { lane } = kept;
    kept.wanted++;
    const ask = async (): Promise<ResultOf<S, K>> => {
      signal?.throwIfAborted();
      check?.(lane.told);
      return lane.ask(task, item, {
        deadlineSeconds: this.#options.itemSeconds,
        onStage: async (stage, _item, pid) => {
          signal?.throwIfAborted();
          await onStage?.(stage, pid);
          signal?.throwIfAborted();
        },
      });
    };
    const answering = ask();
    const settled = answering.then(
      () => this.#lanes.done(kept),
      () => this.#lanes.done(kept),
    );
    const outcome = unlessAborted(answering, signal)
      .then(
        (answer) => ({ answer }),
        (error: unknown) => {
          if (signal?.aborted) throw signal.reason;
          const endedUnderIt =
            error instanceof LaneEnded || (lane.ended !== undefined && error === lane.ended);
          // Others in the lane may have taken what it lacked.
          const lacked = error instanceof ProblemError && error.code === 'memory_limit';
          if (!endedUnderIt && !lacked) throw error;
          return { error };
        },
      )
      .finally(async () => {
        kept.wanted--;
        // What nobody waits for goes on until its next stage, unless that is all there is in the lane.
        if (signal?.aborted && kept.wanted === 0 && kept.inHand > 0) await lane.close();
      });
    return { outcome, settled };
  }

  /** Does it in a lane of its own, and names it where it ends that; `goOn` throws what ended a lane where all were. */
  async #askAlone<K extends TaskName<S>>(
    task: K,
    item: PoolItem<S, K>,
    options: AskOptions<S, K>,
    goOn: (error: unknown) => void,
  ): Promise<ResultOf<S, K>> {
    for (let tries = 1; ; ) {
      const { kept, used } = await this.#lanes.placeAlone();
      const { outcome, settled } = this.#begin(kept, task, item, options);
      try {
        const { answer, error } = await outcome;
        if (answer !== undefined) return answer;
        goOn(error);
        await kept.lane.close();
        // One in which others were before, alone as well, may have ended of what they left behind.
        if (used) continue;
        const killed = error instanceof LaneDied && error.signal === 'SIGKILL';
        if (!killed || tries >= triesAfterKill) {
          this.#apart.set(options.owner ?? '', itemsApart);
          throw blamed(item.name, error, this.#options.memoryVariable);
        }
        tries++;
      } finally {
        await settled;
        this.#lanes.doneAlone(kept, this.#turns.queued('alone') > 0);
      }
    }
  }

  /** Where nobody asks for anything, lanes are kept for a while. */
  #rest(): void {
    clearTimeout(this.#idle);
    const { idleSeconds } = this.#options;
    if (idleSeconds === undefined || this.#asked > 0) return;
    this.#idle = setTimeout(() => void this.#lanes.endResting(), idleSeconds * 1000).unref();
  }
}
