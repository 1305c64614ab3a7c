/** How long a job that runs still takes: what it was estimated at before, corrected by what its own progress shows. Pure. */
import type { JobEstimate } from '@darkroom/contract';

type Seconds = JobEstimate['seconds'];

/** What is known of a run at work. */
export interface AtWork {
  /** Seconds since it began. */
  readonly elapsed: number;
  /** Of what the run had to do when it began, the share that is done: 0 to 1. */
  readonly done: number;
  /** What the run was estimated at before it began; undefined where it was not. */
  readonly prior: Seconds | undefined;
}

/** A p90 nearer to its p50 than this is taken for luck: 10 %. */
const leastSpread = 1.1;
/** Where nine in ten of a normal distribution lie, in standard deviations. */
const normalP90 = 1.2816;
/** How far off, as a standard deviation of logarithms, half of a run's work tells what the other half takes: stages differ, items too. */
const halfTells = 0.2;
/** A smaller share of a run than this tells nothing: a millionth. */
const leastDone = 1e-6;
/** What a run that has not ended takes at least. */
const leastSeconds = 0.5;

/**
 * Seconds until a run ends, above 0; null where nothing is known of it. With nothing done it is what the estimate says of jobs that have
 * worked so long, with all but everything done what the rate of the run says; between them each counts by how sure it is: the estimate by its own
 * spread, the rate by how much of the run it has seen. Both are mixed by their logarithms, as their errors are ratios.
 */
export function remainingSeconds({ elapsed, done, prior }: AtWork): number | null {
  const own = done >= leastDone && elapsed > 0 ? (elapsed * Math.max(0, 1 - done)) / done : undefined;
  if (prior === undefined) return own === undefined ? null : Math.max(leastSeconds, own);
  const expected = remainingOfEstimate(prior, elapsed);
  if (own === undefined) return Math.max(leastSeconds, expected);
  const unsure = (Math.log(Math.max(leastSpread, ratioOf(prior))) / normalP90) ** 2;
  const rateUnsure = halfTells ** 2 * Math.max(0, 1 / done - 1);
  const weight = unsure / (unsure + rateUnsure);
  const mixed = Math.exp(
    (1 - weight) * Math.log(Math.max(leastSeconds, expected)) +
      weight * Math.log(Math.max(leastSeconds, own)),
  );
  return Math.max(leastSeconds, mixed);
}

/**
 * Of the jobs with this estimate that are at work after so many seconds, half have ended after so many more; never 0, however far it is beyond the
 * p90. The seconds are taken to lie log-logistically, with the two quantiles where the estimate has them.
 */
export function remainingOfEstimate(prior: Seconds, elapsed: number): number {
  const middle = Math.max(prior.p50, Number.MIN_VALUE);
  const worked = Math.max(0, elapsed);
  if (worked === 0) return middle;
  const shape = Math.log(9) / Math.log(Math.max(leastSpread, ratioOf(prior)));
  // The median of what is left: middle × (1 + 2 (worked / middle)^shape)^(1 / shape), by logarithms as powers run over.
  const power = Math.log(2) + shape * Math.log(worked / middle);
  const end = middle * Math.exp((Math.max(0, power) + Math.log1p(Math.exp(-Math.abs(power)))) / shape);
  return Math.max(0, end - worked);
}

const ratioOf = ({ p50, p90 }: Seconds): number => p90 / Math.max(p50, Number.MIN_VALUE);
