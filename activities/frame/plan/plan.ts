/**
 * The stage that plans a job: it reads the list of what is to be done from the store and makes an item of each row. A later attempt or run
 * goes on behind the rows that are in the ledger.
 */
import { createHash } from 'node:crypto';
import { type ListSource, listSource, ProblemError, type ProblemRecord, problemOf } from '@darkroom/contract';
import { failpoint } from '@darkroom/platform';
import { Lanes } from '@darkroom/platform/lanes.ts';
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
import { isOutage, problemOfError } from '../attempt/failure.ts';
import { saveFound } from '../found.ts';
import { workStage } from '../stage.ts';
import { GroupedOrdinals } from './groups.ts';
import { beginningOfList, type ListCursor, type ListPart, listCursor, readList } from './list.ts';
import { RowFault } from './rows.ts';

export interface PlanWork<Row extends object> {
  /** The stage whose activity works on the items. */
  readonly itemStage: string;
  /**
   * What a row is: of CSV an object of texts by the header's names, without empty cells; of NDJSON what stands there; of a listing an object's
   * `uri`, `key` behind the prefix, `etag` and `bytes`. What it comes to is the item's input, so it is small.
   */
  readonly row: z.ZodType<Row>;
  /** Raised when the same list would be read as other items. */
  readonly version: number;
  /**
   * What the row belongs to: items of a group follow one another. A listing is not read twice, so it is taken in the order of its keys all the
   * same: a group that lies apart there is several pages, never two of them at a time.
   */
  readonly groupOf?: (row: Row) => string;
  /**
   * Completes a row by what the store says of it, such as the ETag of the object that it names; some rows at a time. What it throws is what
   * the row's item fails of, unless it is an outage.
   */
  readonly pin?: (row: Row, signal: AbortSignal) => Promise<Row>;
  /** A row that does not fit: its item fails, or the job does before any item is begun. */
  readonly badRow: 'item fails' | 'job fails';
}

/** Rows that are written together, about, and bytes of them. */
const rowsAtOnce = 5000;
const bytesAtOnce = 2 * 1024 * 1024;
/** Rows that are pinned beside each other. */
const pinnedAtOnce = 16;

/**
 * Makes an item of each row of the list that the attempt's stage is made of; of a job whose items were submitted with it there is nothing to
 * plan. An item's key is the number of its row, from 1. Returns how many items `itemStage` has, which is the stage's result: once it is there
 * nothing is read again. Throws ProblemError `invalid_row`, `too_many_items`, `empty_file`.
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
      const made = { stage: call.stage, itemStage, digest: digest(input) };
      const checkpoint = await openCheckpoint(db, fence, made, kind);
      return new Planning(attempt, work, listSource.parse(input)).goOn(checkpoint);
    },
  });
}

class Planning<Row extends object> {
  readonly #attempt: Attempt;
  readonly #work: PlanWork<Row>;
  readonly #source: ListSource;

  constructor(attempt: Attempt, work: PlanWork<Row>, source: ListSource) {
    this.#attempt = attempt;
    this.#work = work;
    this.#source = source;
  }

  async goOn({ cursor: kept, found, done }: CheckpointRow): Promise<number> {
    const { progress, log, signal, call } = this.#attempt;
    const { stage } = call;
    const { groupOf } = this.#work;
    if (done) {
      progress.counts(stage, found, found);
      return found;
    }
    const from = kept === null ? beginningOfList : listCursor.parse(kept);
    const grouped =
      groupOf !== undefined && this.#source.format !== 'listing' ? await this.#groups(groupOf) : undefined;
    const ordinals = grouped?.ordinals(from.rows);
    const total = grouped?.rows ?? null;
    if (from.rows > 0) log.line('info', `${stage}: on behind row ${from.rows}`);
    progress.counts(stage, from.rows, total);

    let cursor = from;
    let items: FoundItem[] = [];
    let savedAt = from.at ?? 0;
    // One batch is written while the next is read.
    let saving: Promise<void> = Promise.resolve();
    const save = async (done: boolean): Promise<void> => {
      await saving;
      signal.throwIfAborted();
      saving = this.#save(items, cursor, done);
      // Awaited before the next one; until then its failure is nobody's.
      saving.catch(() => {});
      items = [];
      savedAt = cursor.at ?? 0;
    };
    try {
      for await (const part of this.#parts(from)) {
        const found = part.rows.map(({ number, value }) =>
          this.#itemOf(number, ordinals?.next().value ?? number, value),
        );
        items.push(...(await this.#pinned(found)));
        cursor = part.cursor;
        const bytes = (cursor.at ?? 0) - savedAt;
        if (items.length >= rowsAtOnce || bytes >= bytesAtOnce) await save(false);
      }
      if (cursor.rows === 0) throw new ProblemError('empty_file', `${this.#source.uri} has no row.`);
      await save(true);
    } finally {
      await saving.catch(() => {});
    }
    await saving;
    progress.counts(stage, cursor.rows, cursor.rows);
    return cursor.rows;
  }

  /** Parts of the list behind `from`. Throws `too_many_items`. */
  async *#parts(from: ListCursor): AsyncGenerator<ListPart> {
    const { deps, signal } = this.#attempt;
    const { planRows, planRowBytes } = deps.config.limits;
    const reading = { signal, rowBytes: planRowBytes };
    for await (const part of readList(deps.storage, this.#source, from, reading)) {
      if (part.cursor.rows > planRows)
        throw new ProblemError(
          'too_many_items',
          `The list has more than ${planRows} rows (LIMIT_PLAN_ROWS).`,
        );
      yield part;
    }
  }

  /** The groups of all rows. Where a bad row fails the job, it does so before anything is written. */
  async #groups(groupOf: (row: Row) => string): Promise<GroupedOrdinals> {
    const grouped = new GroupedOrdinals();
    for await (const { rows } of this.#parts(beginningOfList)) {
      for (const { number, value } of rows) {
        const row = this.#rowOf(number, value);
        grouped.add('problem' in row ? null : groupOf(row.row));
      }
    }
    return grouped;
  }

  #itemOf(number: number, ordinal: number, value: unknown): ReadItem<Row> {
    const key = String(number);
    const read = this.#rowOf(number, value);
    if ('problem' in read) return { ordinal, key, input: {}, problem: read.problem };
    const group = this.#work.groupOf?.(read.row);
    return { ordinal, key, input: read.row, ...(group !== undefined && { group }) };
  }

  async #pinned(items: readonly ReadItem<Row>[]): Promise<readonly FoundItem[]> {
    const { pin } = this.#work;
    if (pin === undefined) return items;
    const { signal } = this.#attempt;
    const hands = new Lanes(pinnedAtOnce);
    return Promise.all(
      items.map((item) =>
        'problem' in item ? item : hands.run(() => pinnedItem(item, pin, signal), signal),
      ),
    );
  }

  #rowOf(number: number, value: unknown): { row: Row } | { problem: ProblemRecord } {
    const fault = value instanceof RowFault ? value.message : undefined;
    const parsed = fault === undefined ? this.#work.row.safeParse(value) : undefined;
    if (parsed?.success === true) return { row: parsed.data };
    const detail = `Row ${number}: ${fault ?? reasonOf(parsed!.error)}.`;
    if (this.#work.badRow === 'job fails') throw new ProblemError('invalid_row', detail);
    return { problem: problemOf('invalid_row', detail) };
  }

  async #save(items: readonly FoundItem[], cursor: ListCursor, done: boolean): Promise<void> {
    const { progress, call } = this.#attempt;
    const { itemStage } = this.#work;
    const { stage } = call;
    const { rows: found } = cursor;
    const checkpoint = { stage, itemStage, cursor, items, found, done };
    await saveFound(this.#attempt, checkpoint);
    gotOn();
    progress.counts(stage, found, null);
    await failpoint('plan.saved', String(found));
  }
}

type ReadItem<Row> = FoundItem & ({ readonly problem: ProblemRecord } | { readonly input: Row });

async function pinnedItem<Row extends object>(
  item: FoundItem & { readonly input: Row },
  pin: NonNullable<PlanWork<Row>['pin']>,
  signal: AbortSignal,
): Promise<FoundItem> {
  try {
    return { ...item, input: await pin(item.input, signal) };
  } catch (error) {
    signal.throwIfAborted();
    const problem = problemOfError(error);
    // What nobody foresaw is no fault of the row either.
    if (isOutage(problem) || problem.code === 'internal') throw error;
    return { ...item, problem };
  }
}

/** What is wrong with a row, in words; the first few things. */
function reasonOf({ issues }: z.ZodError): string {
  const said = issues.slice(0, 3).map(({ path, message }) => [...path.map(String), message].join(': '));
  return [...said, ...(issues.length > said.length ? [`and ${issues.length - said.length} more`] : [])].join(
    '; ',
  );
}

const digestOf = (...values: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(values)).digest('hex');
