/** An amount as a base and so much for each unit of what is asked for, fitted to runs that may lie far off. Pure. */

/** Amounts by name, none below 0: pixels, bands, tiles. */
export type Features = Readonly<Record<string, number>>;

/** A base, and what one unit of each feature adds. None is below 0: more work never takes less. */
export interface Linear {
  readonly base: number;
  readonly per: Features;
}

export interface Sample {
  readonly features: Features;
  /** Above 0. */
  readonly amount: number;
  /** How much it counts beside others. */
  readonly weight: number;
}

/** So many runs' worth of what is assumed stays beside what runs have shown. */
const assumedRuns = 2;
/** Logarithms of ratios count up to so many of their usual spread; beyond it a run pulls no more than one that lies there. */
const spreadsWithin = 1.5;
/** The spread below which runs are taken for alike: 5 %. */
const leastSpread = 0.05;
const mostRounds = 12;
const mostSweeps = 60;
/** Amounts that move by less than this share from one round to the next have settled. */
const settled = 1e-3;

/** What the line says of these features; above 0. */
export function amountAt({ base, per }: Linear, features: Features): number {
  let amount = base;
  for (const name in per) amount += (per[name] ?? 0) * (features[name] ?? 0);
  return Math.max(amount, Number.MIN_VALUE);
}

/**
 * Fits a line to the samples. Errors count by their ratio, so that small runs say as much as large ones, and a run that lies far off pulls no
 * more than a middling one. Of features that `assumed` does not name nothing is learnt. What the samples cannot tell apart (tiles and
 * their bytes, which grow together) stays in the proportion that `assumed` has.
 */
export function fit(samples: readonly Sample[], assumed: Linear): Linear {
  const scaled = scaledTo(samples, assumed);
  if (samples.length === 0) return scaled;
  const names = Object.keys(assumed.per);
  const prior = [scaled.base, ...names.map((name) => scaled.per[name] ?? 0)];
  const rows = samples.map(({ features }) => [1, ...names.map((name) => features[name] ?? 0)]);
  const amountsOf = (coefficients: readonly number[]): number[] =>
    rows.map((row) => Math.max(dot(coefficients, row), Number.MIN_VALUE));
  let coefficients = prior;
  let expected = amountsOf(prior);
  for (let round = 0, moves = true; moves && round < mostRounds; round++) {
    const before = expected;
    const errors = samples.map(({ amount }, i) => Math.log(amount / before[i]!));
    const most = spreadsWithin * Math.max(leastSpread, spreadOf(errors, samples));
    coefficients = leastSquares(
      rows,
      before.map((amount, i) => amount * Math.exp(Math.min(most, Math.max(-most, errors[i]!)))),
      samples.map(({ weight }, i) => weight / before[i]! ** 2),
      { prior, runs: assumedRuns / sum(samples.map(({ weight }) => weight)) },
    );
    expected = amountsOf(coefficients);
    moves = expected.some((amount, i) => Math.abs(amount / before[i]! - 1) > settled);
  }
  const [base = 0, ...each] = coefficients;
  return { base, per: Object.fromEntries(names.map((name, i) => [name, each[i] ?? 0])) };
}

/** The assumed line, made larger or smaller as a whole by what the runs were in the middle; few of them move it less. */
function scaledTo(samples: readonly Sample[], assumed: Linear): Linear {
  const ratios = samples.map(({ features, amount, weight }) => ({
    value: Math.log(amount / amountAt(assumed, features)),
    weight,
  }));
  const runs = sum(samples.map(({ weight }) => weight));
  const factor = samples.length === 0 ? 1 : Math.exp((quantile(sorted(ratios), 0.5) * runs) / (runs + 0.5));
  return {
    base: assumed.base * factor,
    per: Object.fromEntries(Object.entries(assumed.per).map(([name, each]) => [name, each * factor])),
  };
}

/** Median of the absolute errors around 0, as the standard deviation of a normal distribution. */
const spreadOf = (errors: readonly number[], samples: readonly Sample[]): number =>
  1.4826 *
  quantile(sorted(errors.map((error, i) => ({ value: Math.abs(error), weight: samples[i]!.weight }))), 0.5);

/**
 * Weighted least squares with coefficients of 0 or more, by coordinate descent. Each coefficient is drawn to its `prior` as by so many
 * `runs`, told as a share of the samples' weight; one of which the samples say nothing has it. One that makes up little of what the samples
 * are expected to be is drawn the more: else a small run that is slow would be put down to its few pixels, and a large one be expected to
 * take hours.
 */
function leastSquares(
  rows: readonly (readonly number[])[],
  amounts: readonly number[],
  weights: readonly number[],
  { prior, runs }: { readonly prior: readonly number[]; readonly runs: number },
): number[] {
  const n = prior.length;
  const products = prior.map(() => new Array<number>(n).fill(0));
  const target = new Array<number>(n).fill(0);
  rows.forEach((row, s) => {
    for (let i = 0; i < n; i++) {
      const weighted = weights[s]! * row[i]!;
      if (weighted === 0) continue;
      target[i]! += weighted * amounts[s]!;
      for (let j = 0; j < n; j++) products[i]![j]! += weighted * row[j]!;
    }
  });
  const whole = sum(rows.map((row, s) => weights[s]! * dot(prior, row) ** 2));
  const pulls = products.map((ofRow, i) => {
    const share = prior[i]! * Math.sqrt(ofRow[i]! / whole);
    return (ofRow[i]! * runs) / (share > 0 ? share : 1);
  });
  for (let i = 0; i < n; i++) {
    const pull = pulls[i]!;
    products[i]![i]! += pull;
    target[i]! += pull * prior[i]!;
  }
  const found = [...prior];
  for (let sweep = 0, moves = true; moves && sweep < mostSweeps; sweep++) {
    moves = false;
    for (let i = 0; i < n; i++) {
      const own = products[i]![i]!;
      if (own === 0) continue;
      const next = Math.max(0, found[i]! + (target[i]! - dot(products[i]!, found)) / own);
      moves ||= Math.abs(next - found[i]!) > settled * next;
      found[i] = next;
    }
  }
  return found;
}

export interface Weighted {
  readonly value: number;
  readonly weight: number;
}

export const sorted = <W extends Weighted>(values: readonly W[]): W[] =>
  [...values].sort((a, b) => a.value - b.value);

/** The value below which a share of the weight lies, between the two next to it; of values in ascending order, at least one. */
export function quantile(values: readonly Weighted[], share: number): number {
  const wanted = share * sum(values.map(({ weight }) => weight));
  let before = 0;
  let last: { at: number; value: number } | undefined;
  for (const { value, weight } of values) {
    // A value stands in the middle of its own weight.
    const at = before + weight / 2;
    if (at >= wanted)
      return last === undefined || at === last.at
        ? value
        : last.value + ((value - last.value) * (wanted - last.at)) / (at - last.at);
    last = { at, value };
    before += weight;
  }
  return last?.value ?? Number.NaN;
}

const dot = (a: readonly number[], b: readonly number[]): number => {
  let together = 0;
  for (let i = 0; i < a.length; i++) together += a[i]! * b[i]!;
  return together;
};

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
