/** What rows of a list come to, by what their kind says of them. */
import { ProblemError, type ProblemRecord, problemOf } from '@darkroom/contract';
import { Lanes } from '@darkroom/platform/lanes.ts';
import type { z } from 'zod';
import { isOutage, problemOfError } from '../attempt/failure.ts';
import type { ReadRow } from './rows.ts';
import { RowFault } from './rows.ts';
import type { PlannedItem, PlannedRow, PlanWork } from './work.ts';

/** Rows that are pinned beside each other. */
const pinnedAtOnce = 16;

type Rows = readonly Pick<ReadRow, 'number' | 'value'>[];

/**
 * The items of rows, in the order of the rows. `pass` is `groups` where only their keys and places are wanted: nothing is pinned then. A row
 * that does not fit is one item with a problem. Throws ProblemError `invalid_row` where such a row fails the job, and what the kind throws.
 */
export async function itemsOfRows<Row extends object>(
  work: PlanWork<Row>,
  rows: Rows,
  pass: 'groups' | 'items',
  signal: AbortSignal,
): Promise<readonly PlannedItem[]> {
  const read = rows.map(({ number, value }) => rowOf(work, number, value));
  const fitting = read.filter((one): one is PlannedRow<Row> => 'row' in one);
  const made = await (work.itemsOf === undefined
    ? itemsOfEach(work, fitting, pass, signal)
    : work.itemsOf(fitting, signal));
  if (made.length !== fitting.length || made.some((items) => items.length === 0))
    throw new Error(`${fitting.length} rows for ${work.itemStage} came to items of other rows.`);
  let next = 0;
  return read.flatMap((one) => ('row' in one ? made[next++]! : [one]));
}

/** Items of which each is one row, by its number. */
async function itemsOfEach<Row extends object>(
  { groupOf, pin }: PlanWork<Row>,
  rows: readonly PlannedRow<Row>[],
  pass: 'groups' | 'items',
  signal: AbortSignal,
): Promise<readonly (readonly PlannedItem[])[]> {
  const items = rows.map(({ number, row }) => {
    const group = groupOf?.(row);
    return { key: String(number), input: row, ...(group !== undefined && { group }) };
  });
  if (pin === undefined || pass === 'groups') return items.map((item) => [item]);
  const hands = new Lanes(pinnedAtOnce);
  return Promise.all(
    items.map(async (item) => [await hands.run(() => pinnedItem(item, pin, signal), signal)]),
  );
}

async function pinnedItem<Row extends object>(
  item: PlannedItem & { readonly input: Row },
  pin: NonNullable<PlanWork<Row>['pin']>,
  signal: AbortSignal,
): Promise<PlannedItem> {
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

function rowOf<Row extends object>(
  { row, badRow, rowFailed }: PlanWork<Row>,
  number: number,
  value: unknown,
): PlannedRow<Row> | (PlannedItem & { readonly problem: ProblemRecord }) {
  const fault = value instanceof RowFault ? value.message : undefined;
  const parsed = fault === undefined ? row.safeParse(value) : undefined;
  if (parsed?.success === true) return { number, row: parsed.data };
  const detail = `Row ${number}: ${fault ?? reasonOf(parsed!.error)}.`;
  if (badRow === 'job fails') throw new ProblemError('invalid_row', detail);
  const input = rowFailed?.(number, fault === undefined ? value : undefined) ?? {};
  return { key: String(number), input, problem: problemOf('invalid_row', detail) };
}

/** What is wrong with a row, in words; the first few things. */
function reasonOf({ issues }: z.ZodError): string {
  const said = issues.slice(0, 3).map(({ path, message }) => [...path.map(String), message].join(': '));
  return [...said, ...(issues.length > said.length ? [`and ${issues.length - said.length} more`] : [])].join(
    '; ',
  );
}
