/**
 * What a kind does with an item, and one item on its way to its end: published, or failed by name. Tells the errors of an item from
 * outages and from deaths of the process.
 */
import { type Published, problemOf } from '@darkroom/contract';
import { failpoint, releaseMemory } from '@darkroom/platform';
import {
  claimItems,
  type Db,
  endItems,
  Fenced,
  heldItems,
  type ItemEnd,
  type ItemFile,
  type ItemRow,
  noteCompany,
} from '@darkroom/records';
import type { Attempt } from '../attempt/attempt.ts';
import { isOutage, problemOfError } from '../attempt/failure.ts';
import { takesHours } from '../kinds.ts';
import { type ItemObject, putObject } from '../objects.ts';
import type { ReadyItem } from './claims.ts';
import { Collector } from './collector.ts';
import { Company } from './company.ts';
import { isPackable, type Pack, Packs } from './packs.ts';
import type { Places } from './places.ts';
import { Solitude } from './solitude.ts';

export interface ItemOutcome<Row extends object = never> {
  /** The first one is the item's result; none where that lies in the kind's own tables. */
  readonly objects: readonly ItemObject[];
  /** Files of the item that an earlier stage has written. */
  readonly written?: readonly ItemFile[];
  /** Rows of the kind's own tables, written in the transaction that publishes the item, and others with it. */
  readonly record?: (tx: Db) => Promise<void>;
  /** A row of the kind's own table, written with those of other items by its `recordRows`. */
  readonly row?: Row;
}

export interface ItemTools {
  readonly signal: AbortSignal;
  /** Reports that the item has been through a stage. */
  reached(stage: string): void;
}

export interface ItemWork<Row extends object = never> {
  readonly stage: string;
  /** Stage an item has reached when it is published. */
  readonly lastStage: string;
  /** Items worked on at a time, until their objects are written, or wait to be written as a pack. */
  readonly concurrency: number;
  /**
   * Small files of items are stored as packs under this prefix, each named by what is in it: one object for dozens. Packs that no item names
   * any more are removed by {@link removeUnnamedPacks}, before the job is published.
   */
  readonly packsUnder?: string | undefined;
  /**
   * No item is begun after this many milliseconds while others may wait; the rest of the page waits its turn behind them. As long as
   * the worker has a slot free nobody waits, and a page may take several times as long. Left out, what is set for the queue.
   */
  readonly budgetMs?: number;
  /** What the item's bytes are a function of; equal to the ledger's, an earlier result is reused. */
  inputDigest(item: ItemRow): string | Promise<string>;
  work(item: ItemRow, tools: ItemTools): Promise<ItemOutcome<Row>>;
  /** Writes rows of items that are published together: a statement for many costs hardly more than one for each. */
  recordRows?(tx: Db, rows: readonly Row[]): Promise<void>;
  /**
   * Publishes the job. Called when a page that is the whole of it is done: an activity of its own would cost as much as a small item
   * does. Left out, a stage of the story publishes it all the same.
   */
  publish?(): Promise<Published>;
}

/** Rows of one statement. */
const mostAtOnce = 200;

/**
 * Most items last seconds and wait for each other's solitude. Whoever waited for one that takes hours would wait for those, and everybody
 * behind: each such kind has a circle of its own.
 */
const solitudes = new Map<string, Solitude>();
const company = new Company();

/**
 * An item that takes hours has others beside it that may have killed the process, for the first time even: it is blamed for so many times as
 * many deaths. One that takes seconds had to be in hand each time by chance, and is blamed as if it had been alone.
 */
const moreInCompany = 3;

interface Packing {
  /** Its pack is written with what waits already. */
  readonly atOnce: boolean;
  /** Gives the item's place back. */
  readonly leave: () => void;
}

interface End<Row> {
  readonly row: ItemEnd;
  readonly record?: ((tx: Db) => Promise<void>) | undefined;
  readonly own?: Row | undefined;
}

/** Works on items of a page; the ledger hears of many at once. */
export class ItemWorker<Row extends object> {
  readonly #attempt: Attempt;
  readonly #kind: ItemWork<Row>;
  readonly #hands: Places;
  readonly #ends: Collector<End<Row>, void>;
  readonly #checks: Collector<number, boolean>;
  readonly #packs: Packs | undefined;
  /** Items that have a place. */
  #inPlace = 0;
  #isLast = false;

  constructor(attempt: Attempt, kind: ItemWork<Row>, hands: Places) {
    this.#attempt = attempt;
    this.#kind = kind;
    this.#hands = hands;
    const how = {
      most: mostAtOnce,
      concernsAll: (error: unknown) => error instanceof Fenced || isOutage(problemOfError(error)),
    };
    const { db } = attempt.deps.records;
    this.#ends = new Collector(async (ends) => {
      const records = ends.flatMap(({ record }) => record ?? []);
      const own = ends.flatMap(({ own }) => own ?? []);
      const write = async (tx: Db): Promise<void> => {
        for (const record of records) await record(tx);
        if (own.length > 0) await kind.recordRows?.(tx, own);
      };
      const rows = ends.map(({ row }) => row);
      const writes = records.length + own.length > 0;
      await endItems(db, attempt.fence, kind.stage, rows, writes ? write : undefined);
      return [];
    }, how);
    this.#checks = new Collector(async (ordinals) => {
      const held = await heldItems(db, attempt.fence, kind.stage, ordinals);
      return ordinals.map((ordinal) => held.has(ordinal));
    }, how);
    const { packsUnder } = kind;
    this.#packs =
      packsUnder === undefined ? undefined : new Packs((pack) => this.#writePack(packsUnder, pack));
  }

  /** No more items are begun: what waits for others does so for those that are in hand alone. */
  last(): void {
    this.#isLast = true;
    if (this.#inPlace === 0) this.#packs?.flush();
  }

  /**
   * One item to its end, by somebody who has a place among `hands`, which is given back. Throws only what is no fault of the item. Where
   * the process has died too often under it, it is worked on alone; another death then is its own.
   */
  async run({ item, claimed }: ReadyItem): Promise<void> {
    const { deps, fence, log, signal } = this.#attempt;
    const { attempts: most } = deps.config.items;
    for (let tries = 1; ; tries++) {
      try {
        await this.#inHand(item, claimed && tries === 1);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Fenced) throw error;
        const problem = problemOfError(error);
        if (isOutage(problem)) throw error;
        if (problem.code !== 'internal' || tries >= most) {
          await this.#end(item, { row: { ordinal: item.ordinal, state: 'failed', problem } });
          return;
        }
        log.line('warn', `${item.key}: ${problem.detail} Trying again.`);
        const again = { ordinal: item.ordinal, state: 'pending', problem } as const;
        await endItems(deps.records.db, fence, this.#kind.stage, [again]);
      }
      await this.#hands.take();
    }
  }

  /**
   * What of an item takes a place: it is claimed if it is not yet, worked on, and its objects are written. Its end is written without a place,
   * but before anybody is alone: a death under that one is none of an item that is done.
   */
  async #inHand(found: ItemRow, claimed: boolean): Promise<void> {
    const { deps, fence, job, signal } = this.#attempt;
    const { attempts: most } = deps.config.items;
    const suspect = this.#isSuspect(found, claimed);
    const hours = this.#takesHours;
    const circle = hours ? job.kind : '';
    const settled = Promise.withResolvers<void>();
    let told: Promise<void> | undefined;
    const joined = (): Promise<void> =>
      (told ??= settled.promise
        .then(() => noteCompany(deps.records.db, fence, this.#kind.stage, found.ordinal))
        .catch((error: unknown) => {
          // Whoever begins next tells it: this one may be in hand for hours.
          told = undefined;
          throw error;
        }));
    let holding = true;
    this.#inPlace++;
    const leave = (): void => {
      if (!holding) return;
      holding = false;
      this.#hands.leave();
      this.#inPlace--;
      if (this.#isLast) this.last();
    };
    const work = async (beside: boolean): Promise<End<Row> | undefined> => {
      signal.throwIfAborted();
      let item: ItemRow | undefined = found;
      try {
        if (!claimed) [item] = await this.claim([found], suspect ? !beside : null);
      } finally {
        settled.resolve();
      }
      if (item === undefined) return undefined;
      await failpoint('item.claimed', item.key);
      const { deaths } = item;
      const inCompany = found.alone === false;
      if (deaths > (inCompany && hours ? moreInCompany * most : most)) {
        const last = inCompany ? 'beside one of another kind' : 'under it alone';
        const detail = `The process died ${deaths} times under this item, the last time ${last}.`;
        const problem = problemOf('poisonous_item', detail);
        return { row: { ordinal: item.ordinal, state: 'failed', problem } };
      }
      const outcome = await this.#kind.work(item, this.#toolsFor(item));
      // What may have killed a process waits for nobody: the others that wait would be taken for suspects as well.
      return await this.#publication(item, outcome, { atOnce: !claimed, leave });
    };
    const solitude = solitudes.get(circle) ?? new Solitude();
    solitudes.set(circle, solitude);
    try {
      await solitude.run(suspect, signal, async () => {
        const end = await company.run({ circle, hours, suspect, joined }, work);
        leave();
        if (end !== undefined) await this.#end(found, end);
      });
    } finally {
      // Nobody who begins beside it waits for a claim that was not made.
      settled.resolve();
      leave();
    }
  }

  /**
   * Whether nobody shares a page with it, since it is worked on with none of its kind beside it for hours: what waits in an activity for so
   * long runs out of the time of that, which counts as a death of its own.
   */
  needsPage({ item, claimed }: ReadyItem): boolean {
    return this.#takesHours && this.#isSuspect(item, claimed);
  }

  get #takesHours(): boolean {
    const { deps, job } = this.#attempt;
    return takesHours(deps.kinds, job.kind);
  }

  /** Whether the process has died as often under it as it is tried beside others. */
  #isSuspect({ state, run, deaths }: ItemRow, claimed: boolean): boolean {
    const { call, deps } = this.#attempt;
    const abandoned = state === 'running' && run === call.run && !claimed;
    return deaths + Number(abandoned) >= deps.config.items.attempts;
  }

  /** Claims items; those that have ended meanwhile are left out. */
  async claim(items: readonly ItemRow[], alone: boolean | null = null): Promise<ItemRow[]> {
    const { deps, fence } = this.#attempt;
    const ordinals = items.map(({ ordinal }) => ordinal);
    const claims = await claimItems(deps.records.db, fence, this.#kind.stage, ordinals, { alone });
    const made = new Map(claims.map((claim) => [claim.ordinal, claim]));
    return items.flatMap((item) => {
      const claim = made.get(item.ordinal);
      return claim === undefined ? [] : { ...item, ...claim };
    });
  }

  #toolsFor({ ordinal }: ItemRow): ItemTools {
    const { progress, signal } = this.#attempt;
    return { signal, reached: (stage) => progress.reached(ordinal, stage) };
  }

  /** Writes the objects of an item; the row that makes them count comes after them. */
  async #publication(
    item: ItemRow,
    { objects, written = [], record, row: own }: ItemOutcome<Row>,
    packing: Packing,
  ): Promise<End<Row>> {
    const { ordinal, key } = item;
    await failpoint('item.before-write', key);
    const files = await this.#write(item, objects, packing);
    await failpoint('item.before-publish', key);
    const [result] = files;
    const all = [...files, ...written];
    const publication = {
      inputDigest: await this.#kind.inputDigest(item),
      resultUri: result?.uri,
      sha256: result?.sha256,
      bytes: result?.bytes,
      files: all.length > 0 ? all : undefined,
      reached: this.#attempt.progress.ordinalOf(this.#kind.lastStage),
    };
    return { row: { ordinal, state: 'succeeded', publication }, record, own };
  }

  /** The files of these objects, in their order: written one by one, or within a pack. */
  async #write(
    { ordinal, key }: ItemRow,
    objects: readonly ItemObject[],
    { atOnce, leave }: Packing,
  ): Promise<ItemFile[]> {
    const packs = this.#packs;
    const small = packs === undefined ? [] : objects.filter(isPackable);
    const large = objects.filter((object) => !small.includes(object));
    if (large.length > 0 && !(await this.#checks.add(ordinal))) throw takenBy(key);
    const own = await Promise.all(large.map((object) => putObject(this.#attempt, object)));
    if (packs === undefined || small.length === 0) return own;
    await packs.room();
    const packed = packs.add({ ordinal, objects: small }, { atOnce });
    // Made, it takes nobody's place while it waits for others.
    if (!atOnce) leave();
    const files = await packed;
    return objects.map((object) => (small.includes(object) ? files.shift() : own.shift())!);
  }

  async #writePack(prefix: string, { digest, body, ordinals }: Pack): Promise<string> {
    const { deps, fence, signal } = this.#attempt;
    signal.throwIfAborted();
    const held = await heldItems(deps.records.db, fence, this.#kind.stage, ordinals);
    const lost = ordinals.find((ordinal) => !held.has(ordinal));
    if (lost !== undefined) throw takenBy(String(lost));
    const contentType = 'application/octet-stream';
    const { uri } = await deps.storage.putBytes(prefix + digest, body, { contentType, signal });
    releaseMemory(body);
    await failpoint('pack.written', String(ordinals[0]));
    return uri;
  }

  async #end(item: ItemRow, end: End<Row>): Promise<void> {
    const { log, progress } = this.#attempt;
    if (end.row.state === 'failed') {
      const { title, detail } = end.row.problem;
      log.line('warn', `${item.key}: ${title}. ${detail}`);
    }
    await this.#ends.add(end);
    progress.ended(item.ordinal);
    if (end.row.state === 'succeeded') await failpoint('item.published', item.key);
  }
}

const takenBy = (item: string): Fenced => new Fenced(`Another attempt has taken item ${item}.`);
