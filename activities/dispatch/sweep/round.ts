/** Goes round rows by id, a page at each pass, so that those which cannot be settled hold up no other. */

/** Rows of a page. */
const most = 500;
/** After this long no row of the page is begun: the next pass goes on there. */
const turnMs = 10_000;

export interface Turn {
  settled: number;
  /** Rows left for the next round, with why. */
  readonly left: { readonly id: string; readonly error: unknown }[];
}

export class Round {
  readonly #width: number;
  #after = '';

  /** `width` rows are settled at a time. */
  constructor(width = 4) {
    this.#width = width;
  }

  /** Settles the rows of the next page, `find`'s rows after an id in the order of ids. `stop` ends it between rows. */
  async turn<R extends { readonly id: string }>(
    find: (after: string, limit: number) => Promise<readonly R[]>,
    settle: (row: R) => Promise<unknown>,
    stop: AbortSignal,
  ): Promise<Turn> {
    const rows = await find(this.#after, most);
    const until = Date.now() + turnMs;
    const turn: Turn = { settled: 0, left: [] };
    let begun = 0;
    const lane = async (): Promise<void> => {
      while (begun < rows.length && Date.now() < until) {
        stop.throwIfAborted();
        const row = rows[begun++]!;
        try {
          await settle(row);
          turn.settled++;
        } catch (error) {
          stop.throwIfAborted();
          turn.left.push({ id: row.id, error });
        }
      }
    };
    await Promise.all(Array.from({ length: this.#width }, lane));
    const whole = begun === rows.length && rows.length < most;
    this.#after = whole ? '' : (rows[begun - 1]?.id ?? '');
    return turn;
  }
}
