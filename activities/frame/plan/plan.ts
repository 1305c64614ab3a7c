/**
 * The stage that plans a job: it reads the list of what is to be done from the store and makes items of its rows. A later attempt or run
 * goes on behind the rows whose items are in the ledger.
 */
import { createHash } from 'node:crypto';
import { type ListSource, listSource, ProblemError } from '@darkroom/contract';
import { failpoint } from '@darkroom/platform';
import {
  type CheckpointRow,
  countItems,
  type FoundItem,
  failFoundAgain,
  openCheckpoint,
} from '@darkroom/records';
import { z } from 'zod';
import { gotOn } from '../attempt/alive.ts';
import type { Attempt } from '../attempt/attempt.ts';
import { saveFound } from '../found.ts';
import { workStage } from '../stage.ts';
import { GroupedOrdinals } from './groups.ts';
import { beginningOfList, listCursor, readList } from './list.ts';
import { itemsOfRows } from './row-items.ts';
import type { PlannedItem, PlanWork } from './work.ts';

/** Items that are written together, about, and bytes of their rows. */
const itemsAtOnce = 5000;
const bytesAtOnce = 2 * 1024 * 1024;
/** Items of a transaction at most: a batch of rows may come to more. */
const itemsInSave = 6000;

/** Where planning stands, as a checkpoint keeps it. */
const planCursor = listCursor.extend({
  /** Items of the rows that were read; left out where they are as many as the rows. */
  items: z.int().min(0).optional(),
  /** What the items are a function of beside the list, where their kind says. */
  revision: z.string().optional(),
  /** Of a list that is read twice, what all of it came to: by that its items have their ordinals. */
  whole: z.string().optional(),
});
type PlanCursor = z.infer<typeof planCursor>;

const countOf = ({ items, rows }: PlanCursor): number => items ?? rows;

/**
 * Makes items of the rows of the list that the attempt's stage is made of; of a job whose items were submitted with it there is nothing to
 * plan. Where the kind says no more each row is an item, whose key is the row's number, from 1. Returns how many items `itemStage` has,
 * which is the stage's result: once it is there nothing is read again. Throws ProblemError `invalid_row`, `too_many_items`, `empty_file`.
 */
export async function planItems<Row extends object>(attempt: Attempt, work: PlanWork<Row>): Promise<number> {
  const { deps, fence, call, kind } = attempt;
  const { db } = deps.records;
  const { itemStage, version, badRow } = work;
  const digest = (list: object | null): string => digestOf(list, version, badRow);
  // A new run has made what had failed pending.
  if (call.run > 1) await failFoundAgain(db, fence, itemStage);
  return workStage(attempt, {
    digest,
    result: z.int(),
    async work({ input }) {
      if (input === null) {
        const { total } = await countItems(db, call.jobId, itemStage);
        attempt.progress.counts(call.stage, total, total);
        return total;
      }
      const revision = await work.revision?.();
      const made = { stage: call.stage, itemStage, digest: digest(input) };
      // Of a plan that is whole, items may have been begun.
      const holds = ({ cursor, done }: CheckpointRow): boolean =>
        done || cursor === null || planCursor.parse(cursor).revision === revision;
      const checkpoint = await openCheckpoint(db, fence, made, kind, holds);
      const forget = async (): Promise<void> => {
        await openCheckpoint(db, fence, made, kind, () => false);
      };
      const of = { source: listSource.parse(input), revision, forget };
      return new Planning(attempt, work, of).goOn(checkpoint);
    },
  });
}

/** Items of rows that came together, and where planning goes on behind them. */
interface Batch {
  readonly items: readonly PlannedItem[];
  readonly cursor: PlanCursor;
}

interface PlanningOf {
  readonly source: ListSource;
  readonly revision: string | undefined;
  /** Takes what an earlier attempt has written out of the ledger. */
  readonly forget: () => Promise<void>;
}

class Planning<Row extends object> {
  readonly #attempt: Attempt;
  readonly #work: PlanWork<Row>;
  readonly #source: ListSource;
  readonly #revision: string | undefined;
  readonly #forget: () => Promise<void>;

  constructor(attempt: Attempt, work: PlanWork<Row>, { source, revision, forget }: PlanningOf) {
    this.#attempt = attempt;
    this.#work = work;
    this.#source = source;
    this.#revision = revision;
    this.#forget = forget;
  }

  async goOn({ cursor: kept, found, done }: CheckpointRow): Promise<number> {
    const { progress, log, signal, call } = this.#attempt;
    const { stage } = call;
    let from: PlanCursor = kept === null ? beginningOfList : planCursor.parse(kept);
    if (done) {
      progress.counts(stage, from.rows, from.rows);
      return found;
    }
    const { groupOf, itemsOf } = this.#work;
    const isReadTwice = this.#source.format !== 'listing' && (groupOf ?? itemsOf) !== undefined;
    const all = isReadTwice ? await this.#readAll() : undefined;
    if (all !== undefined && from.whole !== undefined && from.whole !== all.digest) {
      // What is in the ledger has its ordinals by groups that are no more: others would be taken for items that are there.
      log.line('warn', `${stage}: the rows come to other items than before; all are planned anew`);
      await this.#forget();
      from = beginningOfList;
    }
    const whole = all === undefined ? {} : { whole: all.digest };
    from = { ...from, ...whole };
    if (from.rows > 0) log.line('info', `${stage}: on behind row ${from.rows}`);
    progress.counts(stage, from.rows, all?.rows ?? null);

    let cursor = from;
    let saved = from;
    let items: FoundItem[] = [];
    // One batch is written while the next is read.
    let saving: Promise<void> = Promise.resolve();
    const save = async (done: boolean): Promise<void> => {
      await saving;
      signal.throwIfAborted();
      saving = this.#save(items, { saved, cursor, done });
      // Awaited before the next one; until then its failure is nobody's.
      saving.catch(() => {});
      items = [];
      saved = cursor;
    };
    try {
      for await (const batch of this.#batches(from, 'items')) {
        const before = countOf(cursor);
        batch.items.forEach(({ key, input, group, problem }, index) => {
          const ordinal = all?.ordinalOf(before + index, group) ?? before + index + 1;
          items.push({
            ordinal,
            key,
            input,
            ...(group !== undefined && { group }),
            ...(problem && { problem }),
          });
        });
        cursor = { ...batch.cursor, ...whole };
        const bytes = (cursor.at ?? 0) - (saved.at ?? 0);
        if (items.length >= itemsAtOnce || bytes >= bytesAtOnce) await save(false);
      }
      if (cursor.rows === 0) throw new ProblemError('empty_file', `${this.#source.uri} has no row.`);
      all?.requireItems(countOf(cursor));
      await save(true);
    } finally {
      await saving.catch(() => {});
    }
    await saving;
    progress.counts(stage, cursor.rows, cursor.rows);
    return countOf(cursor);
  }

  /** Reads the whole list for the groups of its items. Where a bad row fails the job, it does so before anything is written. */
  async #readAll(): Promise<WholeList> {
    const grouped = new GroupedOrdinals();
    let rows = 0;
    for await (const { items, cursor } of this.#batches(beginningOfList, 'groups')) {
      for (const item of items) grouped.add(item);
      rows = cursor.rows;
    }
    if (rows > 0) this.#work.allRead?.();
    return new WholeList(rows, grouped);
  }

  /** What the rows behind `from` come to, some rows at a time. Throws `too_many_items`. */
  async *#batches(from: PlanCursor, pass: 'groups' | 'items'): AsyncGenerator<Batch> {
    const { deps, signal } = this.#attempt;
    const { planRows, planRowBytes } = deps.config.limits;
    const reading = { signal, rowBytes: planRowBytes };
    let count = countOf(from);
    for await (const { rows, cursor } of readList(deps.storage, this.#source, from, reading)) {
      if (cursor.rows > planRows) throw tooMany(`has more than ${planRows} rows`);
      const items = rows.length === 0 ? [] : await itemsOfRows(this.#work, rows, pass, signal);
      count += items.length;
      if (count > planRows) throw tooMany(`comes to more than ${planRows} items`);
      if (items.length > 0) await this.#requireRevision();
      gotOn();
      const ofItems = count === cursor.rows ? {} : { items: count };
      const ofRevision = this.#revision === undefined ? {} : { revision: this.#revision };
      yield { items, cursor: { ...cursor, ...ofItems, ...ofRevision } };
    }
  }

  /** Throws where the items are not a function any more of what they were. */
  async #requireRevision(): Promise<void> {
    if ((await this.#work.revision?.()) !== this.#revision)
      throw new Error('What the list is planned with has changed meanwhile; it is planned anew.');
  }

  /** Writes items, so many in a transaction as one takes; the place to go on from moves with the last of them. */
  async #save(
    items: readonly FoundItem[],
    { saved, cursor, done }: { saved: PlanCursor; cursor: PlanCursor; done: boolean },
  ): Promise<void> {
    const { progress, call } = this.#attempt;
    const { stage } = call;
    const write = (some: readonly FoundItem[], to: PlanCursor, done: boolean): Promise<void> => {
      const { itemStage } = this.#work;
      return saveFound(this.#attempt, {
        stage,
        itemStage,
        cursor: to,
        items: some,
        found: countOf(to),
        done,
      });
    };
    let first = 0;
    for (; items.length - first > itemsInSave; first += itemsInSave)
      await write(items.slice(first, first + itemsInSave), saved, false);
    await write(first === 0 ? items : items.slice(first), cursor, done);
    gotOn();
    progress.counts(stage, cursor.rows, null);
    await failpoint('plan.saved', String(countOf(cursor)));
  }
}

/** What is known of a list once all of it has been read. */
class WholeList {
  readonly rows: number;
  /** Another one where any item lies elsewhere. */
  readonly digest: string;
  readonly #grouped: GroupedOrdinals;
  readonly #ordinals: Uint32Array;

  constructor(rows: number, grouped: GroupedOrdinals) {
    this.rows = rows;
    this.#grouped = grouped;
    this.digest = grouped.digest();
    this.#ordinals = grouped.ordinals();
  }

  /** Of an item by its number in the order of the rows, from 0. */
  ordinalOf(index: number, group: string | undefined): number {
    if (!this.#grouped.isOf(index, group)) throw otherItems();
    return this.#ordinals[index]!;
  }

  requireItems(count: number): void {
    if (count !== this.#grouped.items) throw otherItems();
  }
}

const otherItems = (): Error => new Error('The rows came to other items when they were read again.');

const tooMany = (what: string): ProblemError =>
  new ProblemError('too_many_items', `The list ${what} (LIMIT_PLAN_ROWS).`);

const digestOf = (...values: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(values)).digest('hex');
