/**
 * Warm lanes of one build, shared by whoever asks. A lane that ends under what it has in hand costs nobody but the item that ended it: each
 * is done again by itself, in a lane where nothing else is, and what ends that one too is named.
 */
import { ProblemError } from '@darkroom/contract/problem.ts';
import { Lanes } from '@darkroom/platform/lanes.ts';
import { LaneDied, LaneEnded } from '../errors.ts';
import type { Lane } from '../parent/lane.ts';
import type { LaneAnswer, LaneItem } from '../parent/run.ts';
import { residentBytes } from '../parent/watch.ts';
import type { LaneShape, StageName, TaskName, Told } from '../shape.ts';
import { unlessAborted } from '../waiting.ts';
import { blamed } from './blame.ts';

export interface PoolOptions<S extends LaneShape> {
  /** Opens a lane; throws what `openLane` throws. */
  readonly open: () => Promise<Lane<S>>;
  /** Lanes at most; one more for a while where an item is to be alone. The next one is opened when those there are have their hands full. */
  readonly lanes: number;
  /** Items that a lane has in hand at most. */
  readonly inHand: number;
  /** Of one item, seconds. */
  readonly itemSeconds: number;
  /** Name of the variable that bounds a lane's memory, for messages. */
  readonly memoryVariable?: string;
  /** After this many items a lane is ended and followed by another. */
  readonly mostItems?: number;
  /** A lane that has nothing in hand and still more resident memory than this, bytes, is ended. */
  readonly mostBytes?: number;
  /** Without anything to do for so long, all are ended. */
  readonly idleSeconds?: number;
  /** What two lanes say of themselves must be the same in this; where a new one differs, those before it are given nothing more. */
  readonly key?: (told: Told<S>) => string;
}

export interface PoolItem<S extends LaneShape, K extends TaskName<S>> extends LaneItem<S['tasks'][K]> {
  /** For messages. */
  readonly name: string;
}

export interface AskOptions<S extends LaneShape, K extends TaskName<S>> {
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

interface Held<S extends LaneShape> {
  readonly lane: Lane<S>;
  /** Places that are taken in it, those included whose item nobody waits for any more. */
  inHand: number;
  /** Items that somebody waits for. */
  wanted: number;
  done: number;
  /** It is given nothing more. */
  retired: boolean;
}

/** What came of an item in a lane: without an answer the lane ended under it. */
type Outcome<R> =
  | { readonly answer: R; readonly error?: undefined }
  | { readonly answer?: undefined; readonly error: unknown };

/** Tries alone after an end that nothing in a lane brings about: somebody, or the system where memory is short, sent SIGKILL. */
const triesAfterKill = 3;
const openTries = 3;

export class LanePool<S extends LaneShape> {
  readonly #options: PoolOptions<S>;
  readonly #places: Lanes;
  readonly #alone = new Lanes(1);
  readonly #held = new Set<Held<S>>();
  readonly #opening = new Set<Promise<unknown>>();
  /** A lane in which nothing has been but items that were alone there, for the next of them. */
  #aside: Held<S> | undefined;
  /** The one in which an item is alone now, and that which is being opened for one. */
  #lonely: Held<S> | undefined;
  #openingAlone: Promise<Held<S>> | undefined;
  #asked = 0;
  /** How often all were ended. */
  #closed = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions<S>) {
    this.#options = options;
    this.#places = new Lanes(options.lanes * options.inHand);
  }

  /** Processes of the lanes that are open. */
  get pids(): readonly number[] {
    return this.#all().flatMap(({ lane }) => (lane.ended === undefined ? lane.pid : []));
  }

  /** What the newest lane says of itself; opens one where there is none. Throws what opening throws. */
  async told(): Promise<Told<S>> {
    if (this.#living().length === 0) await (this.#opening.values().next().value ?? this.#add());
    const newest = this.#living().at(-1);
    if (newest === undefined) return this.told();
    this.#rest();
    return newest.lane.told;
  }

  /**
   * Has `item` done. Throws what it failed by; ProblemError `poisonous_item`, `item_timeout`, `memory_limit` where a lane ended under it when it
   * was alone there; the signal's reason, at once: a lane in which nobody waits for anything then is ended.
   */
  async ask<K extends TaskName<S>>(
    task: K,
    item: PoolItem<S, K>,
    options: AskOptions<S, K> = {},
  ): Promise<ResultOf<S, K>> {
    this.#asked++;
    clearTimeout(this.#idle);
    const closed = this.#closed;
    const goOn = (error: unknown): void => {
      if (this.#closed !== closed) throw error;
    };
    try {
      const beside = await this.#askBeside(task, item, options);
      if (beside.answer !== undefined) return beside.answer;
      const { error } = beside;
      const alone = () => {
        goOn(error);
        return this.#askAlone(task, item, options, goOn);
      };
      return await this.#alone.run(alone, options.signal);
    } finally {
      this.#asked--;
      this.#rest();
    }
  }

  /** Ends all lanes; what they have in hand fails by LaneEnded. Whoever asks later has others opened. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    this.#closed++;
    await Promise.allSettled([...this.#opening, this.#openingAlone]);
    const all = this.#all();
    this.#held.clear();
    this.#aside = undefined;
    await Promise.all(all.map(({ lane }) => lane.close()));
  }

  #all(): Held<S>[] {
    return [...this.#held, ...[this.#aside, this.#lonely].flatMap((held) => held ?? [])];
  }

  #living(): Held<S>[] {
    for (const held of this.#held) if (held.lane.ended !== undefined) this.#held.delete(held);
    return [...this.#held];
  }

  /** Does it in a lane where others may be too. */
  #askBeside<K extends TaskName<S>>(
    task: K,
    item: PoolItem<S, K>,
    options: AskOptions<S, K>,
  ): Promise<Outcome<ResultOf<S, K>>> {
    const { signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<ResultOf<S, K>>>();
    const work = async (): Promise<void> => {
      const placing = this.#place();
      // A lane that is being opened is for whoever comes next then.
      unlessAborted(placing, signal).catch(reject);
      const { outcome, settled } = this.#begin(await placing, task, item, options);
      outcome.then(resolve, reject);
      // The place is taken until the lane has done with it, whoever waits.
      await settled;
    };
    this.#places.run(work, signal).catch(reject);
    return promise;
  }

  /** Takes a place in a lane, and opens one if all are taken. */
  async #place(): Promise<Held<S>> {
    for (;;) {
      const { lanes, inHand } = this.#options;
      const living = this.#living();
      const [best] = living.filter((held) => held.inHand < inHand).sort((a, b) => a.inHand - b.inHand);
      if (best !== undefined) {
        best.inHand++;
        return best;
      }
      if (living.length + this.#opening.size < lanes) await this.#add();
      else await Promise.race(this.#opening);
    }
  }

  /** Begins it in a lane in which it has a place. `outcome` settles at once when the signal aborts, `settled` when the lane has done with it. */
  #begin<K extends TaskName<S>>(
    held: Held<S>,
    task: K,
    item: PoolItem<S, K>,
    { signal, onStage, check }: AskOptions<S, K>,
  ): { readonly outcome: Promise<Outcome<ResultOf<S, K>>>; readonly settled: Promise<void> } {
    const { lane } = held;
    held.wanted++;
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
      () => this.#done(held),
      () => this.#done(held),
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
        held.wanted--;
        // What nobody waits for goes on until its next stage, unless that is all there is in the lane.
        if (signal?.aborted && held.wanted === 0 && held.inHand > 0) await lane.close();
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
      const kept = this.#aside?.lane.ended === undefined ? this.#aside : undefined;
      this.#aside = undefined;
      const held = kept ?? (await this.#openAlone());
      this.#lonely = held;
      held.inHand++;
      const { outcome, settled } = this.#begin(held, task, item, options);
      try {
        const { answer, error } = await outcome;
        if (answer !== undefined) return answer;
        goOn(error);
        await held.lane.close();
        // One in which others were before, alone as well, may have ended of what they left behind.
        if (kept !== undefined) continue;
        const killed = error instanceof LaneDied && error.signal === 'SIGKILL';
        if (!killed || tries >= triesAfterKill) throw blamed(item.name, error, this.#options.memoryVariable);
        tries++;
      } finally {
        await settled;
        this.#lonely = undefined;
        this.#keep(held);
      }
    }
  }

  #openAlone(): Promise<Held<S>> {
    const opening = this.#open();
    this.#openingAlone = opening;
    return opening;
  }

  /** A lane in which an item was alone: it is for the next of those, or for everybody, or for nobody. */
  #keep(held: Held<S>): void {
    if (held.lane.ended !== undefined) return;
    if (this.#alone.queued > 0) this.#aside = held;
    else if (this.#living().length + this.#opening.size < this.#options.lanes && !this.#differs(held))
      this.#held.add(held);
    else void held.lane.close();
  }

  /** Whether there are lanes that say something else of themselves. */
  #differs({ lane }: Held<S>): boolean {
    const { key } = this.#options;
    return key !== undefined && this.#living().some((other) => key(other.lane.told) !== key(lane.told));
  }

  /** The lane has done with one item. */
  #done(held: Held<S>): void {
    held.inHand--;
    held.done++;
    if (held.done >= (this.#options.mostItems ?? Number.POSITIVE_INFINITY)) held.retired = true;
    if (held.retired) this.#retire(held);
    else if (held.inHand === 0) void this.#weigh(held);
  }

  /** Gives it nothing more, and ends it when it has nothing in hand. */
  #retire(held: Held<S>): void {
    held.retired = true;
    this.#held.delete(held);
    if (held.inHand === 0) void held.lane.close();
  }

  async #weigh(held: Held<S>): Promise<void> {
    const { mostBytes = Number.POSITIVE_INFINITY } = this.#options;
    const resident = await residentBytes(held.lane.pid);
    if (resident > mostBytes && held.inHand === 0) this.#retire(held);
  }

  /** Where nobody asks for anything, lanes are kept for a while. */
  #rest(): void {
    clearTimeout(this.#idle);
    const { idleSeconds } = this.#options;
    if (idleSeconds === undefined || this.#asked > 0) return;
    this.#idle = setTimeout(() => void this.close(), idleSeconds * 1000).unref();
  }

  async #add(): Promise<void> {
    const opening = this.#open();
    this.#opening.add(opening);
    try {
      const held = await opening;
      const { key } = this.#options;
      for (const other of this.#held)
        if (key !== undefined && key(other.lane.told) !== key(held.lane.told)) this.#retire(other);
      this.#held.add(held);
    } finally {
      this.#opening.delete(opening);
    }
  }

  /** Opens one; what ends it as it opens is no item's fault. */
  async #open(): Promise<Held<S>> {
    for (let tries = 1; ; tries++) {
      try {
        return { lane: await this.#options.open(), inHand: 0, wanted: 0, done: 0, retired: false };
      } catch (error) {
        if (!(error instanceof LaneEnded)) throw error;
        if (tries >= openTries) throw error;
      }
    }
  }
}
