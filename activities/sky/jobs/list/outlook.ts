/** What a list comes to, by its rows, before a job of it is planned. */
import { ProblemError } from '@darkroom/contract';
import { RowFault } from '@darkroom/frame/plan/rows.ts';
import type { Expected } from './expected.ts';
import { rowFrom, SwappedColumns } from './rows.ts';

/** Of broken rows, those that are named. */
const mostNamed = 10;

/** Rows are added as they are read. */
export class ListOutlook {
  /** Of each parameter set. */
  readonly #expecting: readonly ((size: string | null) => Expected)[];
  readonly #columns = new SwappedColumns();
  readonly #broken: { readonly number: number; readonly fault: string }[] = [];
  #rows = 0;
  #brokenRows = 0;
  #pixels = 0;
  #bytes = 0;

  constructor(expecting: readonly ((size: string | null) => Expected)[]) {
    this.#expecting = expecting;
  }

  /** `value`: what stands in the row, or why nothing can be read; its number is from 1. */
  add(number: number, value: unknown): void {
    this.#rows++;
    this.#columns.add(value);
    const read = value instanceof RowFault ? { fault: value.message } : rowFrom(value);
    if ('fault' in read) {
      if (this.#brokenRows++ < mostNamed) this.#broken.push({ number, fault: read.fault });
      return;
    }
    for (const expectedOf of this.#expecting) {
      const { pixels, bytes } = expectedOf(read.row.size);
      this.#pixels += pixels;
      this.#bytes += bytes;
    }
  }

  get rows(): number {
    return this.#rows;
  }

  get broken(): number {
    return this.#brokenRows;
  }

  /** What the job is measured in, of the rows so far. */
  get size(): Expected & { readonly cutouts: number } {
    const cutouts = (this.#rows - this.#brokenRows) * this.#expecting.length;
    return { cutouts, pixels: this.#pixels, bytes: this.#bytes };
  }

  /**
   * Throws `swapped_columns`, and `invalid_row` where there are broken rows, the first of which are named by their numbers. `pointer` of the
   * request's rows, where they stand in it, is that of the list.
   */
  requireReadable({
    onError,
    pointer,
  }: {
    readonly onError: 'fail' | 'skip';
    readonly pointer?: string;
  }): void {
    const swapped = this.#columns.problem;
    if (swapped !== undefined) throw new ProblemError(swapped.code, swapped.detail);
    const [first, ...others] = this.#broken;
    if (onError === 'skip' || first === undefined) return;
    const more = this.#brokenRows - this.#broken.length;
    const named = [...others.map(({ number }) => String(number)), ...(more > 0 ? [`${more} more`] : [])];
    const also = named.length === 0 ? '' : ` Broken as well: ${named.join(', ')}.`;
    throw new ProblemError(
      'invalid_row',
      `Row ${first.number}: ${first.fault}.${also} With onError=skip the job goes on without broken rows.`,
      {
        errors: this.#broken.map(({ number, fault }) => ({
          pointer: pointer === undefined ? `/rows/${number}` : `${pointer}/${number - 1}`,
          detail: fault,
        })),
      },
    );
  }
}
