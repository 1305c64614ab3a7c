/** Jobs of any kind as what is estimated: by their size, and by those of their options that their kind names. Pure. */
import type { JobEstimate, KindDefinition, Size } from '@darkroom/contract';
import type { Asked, Estimates } from './estimates.ts';
import type { Assumed } from './model/model.ts';

type Estimated = Pick<KindDefinition, 'kind' | 'estimate'>;

export interface SizedJob {
  readonly input: Record<string, unknown>;
  readonly size: Size;
}

/** What is assumed of each of the kinds that are estimated. */
export const assumedOf = (kinds: Readonly<Record<string, Estimated>>): Record<string, Assumed> =>
  Object.fromEntries(
    Object.values(kinds).flatMap(({ kind, estimate }) =>
      estimate === undefined ? [] : [[kind, { seconds: estimate.seconds }]],
    ),
  );

/** What a job is like; undefined of kinds that are not estimated, and while nothing is known that its time goes by. */
export function comparableJob({ kind, estimate }: Estimated, { input, size }: SizedJob): Asked | undefined {
  if (estimate === undefined) return undefined;
  const features = Object.fromEntries(
    Object.keys(estimate.seconds.per).flatMap((name) => {
      const amount = size[name];
      return amount === undefined ? [] : [[name, amount]];
    }),
  );
  if (Object.keys(features).length === 0) return undefined;
  return { kind, key: estimate.key?.(input) ?? '', features };
}

/** What a job is estimated at, to three digits; undefined as {@link comparableJob}. */
export function estimateOfJob(
  estimates: Pick<Estimates, 'estimate'>,
  kind: Estimated,
  job: SizedJob,
): JobEstimate | undefined {
  const asked = comparableJob(kind, job);
  if (asked === undefined) return undefined;
  const { seconds, runs, error } = estimates.estimate(asked);
  return {
    seconds: { p50: threeDigits(seconds.p50), p90: threeDigits(seconds.p90) },
    runs,
    error: error && { ...error, ratio: threeDigits(error.ratio), withinP90: threeDigits(error.withinP90) },
  };
}

const threeDigits = (value: number): number => Number(value.toPrecision(3));
