/** Quiet hours and busy ones: how far off the last of some errors lay together. Pure. */
import { quantile, sorted, sum, type Weighted } from './fit.ts';

/** Parts of an error that the level moves by with it, of which the one is taken that would have told the errors best. */
const rates = [0, 0.05, 0.1, 0.2, 0.35];
/** What another rate than 0 has to be better by: else chance would be taken for a change. */
const betterBy = 0.95;
/** An error moves the level, and counts for a rate, by no more than one of so many times the usual spread. */
const spreadsWithin = 1.5;

/**
 * The level of errors at their end, in the order in which they came, and each error off the level as it was before it. Where nothing but chance moves them the
 * level is 0.
 */
export function levelled<Error extends Weighted>(
  errors: readonly Error[],
): { readonly level: number; readonly errors: readonly Error[] } {
  const most = spreadsWithin * spreadOf(errors);
  const [still, ...moved] = rates.map((rate) => followed(errors, rate, most));
  const best = moved.reduce((a, b) => (b.off < a.off ? b : a));
  return best.off < still!.off * betterBy ? best : still!;
}

function followed<Error extends Weighted>(errors: readonly Error[], rate: number, most: number) {
  let level = 0;
  const off = errors.map((error) => {
    const value = error.value - level;
    level += rate * Math.min(most, Math.max(-most, value));
    return { ...error, value };
  });
  return {
    level,
    errors: off,
    off: sum(off.map(({ value, weight }) => Math.min(most, Math.abs(value)) * weight)),
  };
}

const spreadOf = (errors: readonly Weighted[]): number =>
  errors.length === 0
    ? 0
    : 1.4826 * quantile(sorted(errors.map(({ value, weight }) => ({ value: Math.abs(value), weight }))), 0.5);
