/** What a request will take, by what runs like it have taken. Pure. */
import { amountAt, type Features, fit, type Linear, quantile, sorted, sum, type Weighted } from './fit.ts';
import { levelled } from './level.ts';

/** What one amount is taken to be before anything has run. */
export interface AssumedAmount extends Linear {
  /** How many times the half-way amount nine in ten runs stay within; 2. */
  readonly spread?: number;
}

/** Of a kind of work; its features are those that the seconds or the bytes go by. */
export interface Assumed {
  readonly seconds: AssumedAmount;
  /** Absent: bytes are not estimated. */
  readonly bytes?: AssumedAmount;
}

/** Half of the runs are expected to take p50 or less, nine in ten p90 or less. */
export interface Amount {
  readonly p50: number;
  readonly p90: number;
}

/** How good earlier estimates were. */
export interface EstimateError {
  /** Runs that were estimated before. */
  readonly runs: number;
  /** In the middle, seconds they took over those they had been estimated at (p50): above 1 they take longer. */
  readonly ratio: number;
  /** Share of them that took the p90 they had been estimated at, or less. */
  readonly withinP90: number;
}

export interface Estimate {
  readonly seconds: Amount;
  readonly bytes: Amount | null;
  /** Runs that it stands on; 0: on what is assumed alone. */
  readonly runs: number;
  /** Null where none has been estimated before. */
  readonly error: EstimateError | null;
}

/** Something that was done. */
export interface Run {
  readonly features: Features;
  readonly seconds: number;
  readonly bytes?: number | null | undefined;
  /** What its seconds had been estimated at. */
  readonly estimated?: Amount | null | undefined;
}

/** How far the runs lie off the line, as logarithms of ratios. */
interface Errors {
  readonly line: Linear;
  /** How far off the last ones lay together: a machine has quiet hours and busy ones. */
  readonly level: number;
  /** Off the line and the level as it was before each, in ascending order, each with the logarithm of what it was expected to be. */
  readonly errors: readonly (Weighted & { readonly size: number })[];
  /** What the errors are taken to be before there are any. */
  readonly assumed: readonly Weighted[];
}

/** Runs after which another counts half. */
const halfLife = 100;
/** Beside how many runs' worth of errors as they are assumed those of the runs stand. */
const assumedErrors = 3;
/** A run of so many times the size, or of that part of it, counts half for the spread. */
const likeSize = Math.log(4);
/** Amounts below these are not told apart: a millisecond, a byte. */
const leastSeconds = 0.001;
const leastBytes = 1;

/** The runs of a key, in the order in which they ended. */
export class Model {
  readonly #runs: number;
  readonly #seconds: Errors;
  readonly #bytes: Errors | undefined;
  readonly #error: EstimateError | null;

  constructor(runs: readonly Run[], assumed: Assumed) {
    this.#runs = runs.length;
    const aged = runs.map((run, i) => ({ ...run, weight: 0.5 ** ((runs.length - 1 - i) / halfLife) }));
    this.#seconds = errorsOf(
      aged.map((run) => ({ ...run, amount: Math.max(leastSeconds, run.seconds) })),
      assumed.seconds,
    );
    const sized = aged.flatMap((run) =>
      typeof run.bytes === 'number' ? { ...run, amount: Math.max(leastBytes, run.bytes) } : [],
    );
    this.#bytes = assumed.bytes && errorsOf(sized, assumed.bytes);
    this.#error = errorOf(runs);
  }

  estimate(features: Features): Estimate {
    return {
      seconds: amountOf(this.#seconds, features),
      bytes: this.#bytes === undefined ? null : amountOf(this.#bytes, features),
      runs: this.#runs,
      error: this.#error,
    };
  }
}

function errorsOf(
  runs: readonly { readonly features: Features; readonly amount: number; readonly weight: number }[],
  { spread = 2, ...assumed }: AssumedAmount,
): Errors {
  const line = fit(runs, assumed);
  const errors = runs.map(({ features, amount, weight }) => {
    const expected = amountAt(line, features);
    return { value: Math.log(amount / expected), weight, size: Math.log(expected) };
  });
  const { level, errors: offLevel } = levelled(errors);
  return { line, level, errors: sorted(offLevel), assumed: assumedSpread(Math.log(spread)) };
}

/** Where nine in ten of a normal distribution lie, in standard deviations; and of ten equal parts each one's middle. */
const normalP90 = 1.2816;
const normalMiddles = [-1.6449, -1.0364, -0.6745, -0.3853, -0.1257, 0.1257, 0.3853, 0.6745, 1.0364, 1.6449];

const assumedSpread = (p90: number): Weighted[] =>
  normalMiddles.map((middle) => ({
    value: (middle / normalP90) * p90,
    weight: assumedErrors / normalMiddles.length,
  }));

/** The line's amount, and how far off it runs of like size lay: where the line bends too little, they tell. */
function amountOf({ line, level, errors, assumed }: Errors, features: Features): Amount {
  const onLine = amountAt(line, features);
  const size = Math.log(onLine);
  const expected = onLine * Math.exp(level);
  const near = errors.map(({ value, weight, size: of }) => ({
    value,
    weight: weight / (1 + ((of - size) / likeSize) ** 2),
  }));
  const all = sorted([...near, ...assumed]);
  const at = (share: number): number => expected * Math.exp(quantile(all, share));
  const p50 = at(0.5);
  return { p50, p90: Math.max(p50, at(0.9)) };
}

function errorOf(runs: readonly Run[]): EstimateError | null {
  const estimated = runs.flatMap(({ seconds, estimated: was }) =>
    was ? { ratio: ratioOf(seconds, was), within: seconds <= was.p90 } : [],
  );
  if (estimated.length === 0) return null;
  return {
    runs: estimated.length,
    ratio: quantile(sorted(estimated.map(({ ratio }) => ({ value: ratio, weight: 1 }))), 0.5),
    withinP90: sum(estimated.map(({ within }) => Number(within))) / estimated.length,
  };
}

/** Seconds that a run took over those it had been estimated at. */
export const ratioOf = (seconds: number, { p50 }: Amount): number =>
  Math.max(leastSeconds, seconds) / Math.max(leastSeconds, p50);
