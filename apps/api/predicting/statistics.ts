/** What each model version has predicted for this process since it started, the last thousand of them, as statistics of inference servers count it. */
import { type ModelIdentity, modelKey, type PredictionTimings } from '@darkroom/contract';
import type { Seen } from '@darkroom/prediction/predictor/predictor.ts';

/** How often, and for how long in all, milliseconds. */
export interface Spent {
  count: number;
  ms: number;
}

const steps = ['success', 'fail', 'queue', 'compute_input', 'compute_infer'] as const;
type Step = (typeof steps)[number];

export interface VersionStatistics extends Readonly<Record<Step, Readonly<Spent>>> {
  readonly model: ModelIdentity;
  /** When the last one was answered, milliseconds since 1970. */
  readonly lastAt: number;
}

/** Versions that are counted; of more, the one that was asked for first is forgotten. */
const remembered = 1000;

type Counted = Record<Step, Spent> & { model: ModelIdentity; lastAt: number };

export class PredictionStatistics implements Seen {
  readonly #next: Seen;
  readonly #versions = new Map<string, Counted>();

  /** Counts what is seen, and tells `next` of it. */
  constructor(next: Seen) {
    this.#next = next;
  }

  get versions(): readonly VersionStatistics[] {
    return [...this.#versions.values()];
  }

  sent: Seen['sent'] = (model, items) => this.#next.sent(model, items);

  answered: Seen['answered'] = (model, row, totalMs) => {
    const of = this.#of(model);
    of.lastAt = Date.now();
    add(row.problem === null ? of.success : of.fail, totalMs);
    const { gather = 0, queue = 0, fetch = 0, decode, infer }: PredictionTimings = row.timings;
    add(of.queue, gather + queue + fetch);
    if (decode !== undefined) add(of.compute_input, decode);
    if (infer !== undefined) add(of.compute_infer, infer);
    this.#next.answered(model, row, totalMs);
  };

  refused: Seen['refused'] = (model, code) => {
    if (model !== undefined) add(this.#of(model).fail, 0);
    this.#next.refused(model, code);
  };

  #of(model: ModelIdentity): Counted {
    const key = modelKey(model);
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const none = Object.fromEntries(steps.map((step) => [step, { count: 0, ms: 0 }])) as Record<Step, Spent>;
    const counted = { model, lastAt: 0, ...none };
    this.#versions.set(key, counted);
    const [oldest] = this.#versions.keys();
    if (this.#versions.size > remembered && oldest !== undefined) this.#versions.delete(oldest);
    return counted;
  }
}

function add(spent: Spent, ms: number): void {
  spent.count++;
  spent.ms += ms;
}
