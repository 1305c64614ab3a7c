/** What a kind says of the list that its jobs are planned from. */
import type { ProblemRecord } from '@darkroom/contract';
import type { z } from 'zod';

/** A row that fits. */
export interface PlannedRow<Row extends object> {
  /** From 1. */
  readonly number: number;
  readonly row: Row;
}

/** An item that a row comes to. */
export interface PlannedItem {
  /** Distinct among the items of the stage; of a row that does not fit it is the number of the row. */
  readonly key: string;
  /** Small: rows of the ledger hold it. */
  readonly input: object;
  /** What the item belongs to: items of a group follow one another. */
  readonly group?: string | undefined;
  /** Where it lies within its group: the smaller, the sooner; 0 where it is left out. Items at the same place stay in the order of their rows. */
  readonly at?: number | undefined;
  /** What makes it impossible to work on: the item fails of it, and the job goes on. */
  readonly problem?: ProblemRecord | undefined;
}

export interface PlanWork<Row extends object> {
  /** The stage whose activity works on the items. */
  readonly itemStage: string;
  /**
   * What a row is: of CSV an object of texts by the header's names, without empty cells; of NDJSON what stands there; of a listing an object's
   * `uri`, `key` behind the prefix, `etag` and `bytes`. Where `itemsOf` is left out, what it comes to is the item's input, so it is small.
   */
  readonly row: z.ZodType<Row>;
  /** Raised when the same list would be read as other items. */
  readonly version: number;
  /** A row that does not fit: its item fails, or the job does before any item is begun. */
  readonly badRow: 'item fails' | 'job fails';
  /** What the item of a row that does not fit has for its input; `value` is what was read, undefined where nothing could be. `{}` where left out. */
  readonly rowFailed?: (number: number, value: unknown) => object;
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
  /**
   * Where a row is not simply one item: what each of these rows, at most {@link rowsTogether}, comes to, one item or more, in the order of the
   * rows; then neither `groupOf` nor `pin` is asked. A file is read twice, to know all groups before the first item is written, and the same
   * rows come to the same items both times. What it throws fails the attempt.
   */
  readonly itemsOf?: (
    rows: readonly PlannedRow<Row>[],
    signal: AbortSignal,
  ) => Promise<readonly (readonly PlannedItem[])[]>;
  /**
   * With `itemsOf`: all rows of a file have been read once, by each attempt, and nothing is written yet. What it throws fails the attempt. What the kind keeps of
   * items beside the ledger is written behind it: before, it goes where the plan shows to begin anew.
   */
  readonly allRead?: () => void;
  /**
   * What the items are a function of beside the list. It is asked at the beginning and behind each batch of rows: once it is another, the
   * attempt fails, to be tried again, and the next one plans anew. A plan that is whole stays.
   */
  readonly revision?: () => Promise<string>;
}

/** Rows of a list that are read together at most. */
export const rowsTogether = 1000;
