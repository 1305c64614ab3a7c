/** How well the frames at which new scenes were said to begin agree with labels. */
import { sum, type Tally } from '../match.ts';
import type { ChangeKind, LabelledChange, Truth } from './labels.ts';

export interface Score {
  /** Cuts alone, with those through a moment of black: what was found within a gradual change counts neither way. */
  readonly cuts: Tally;
  readonly all: Tally;
  /** Of each kind: how many there are, and how many were found. */
  readonly kinds: Readonly<Record<ChangeKind, { readonly of: number; readonly found: number }>>;
  /** Frames. */
  readonly missed: readonly number[];
  readonly wrong: readonly number[];
}

/** Pictures by which a boundary may be off. */
export const tolerance = 1;

const order: readonly ChangeKind[] = ['cut', 'gap', 'wipe', 'dissolve', 'fade'];
const isAbrupt = ({ kind }: LabelledChange): boolean => kind === 'cut' || kind === 'gap';

/**
 * Matches one to one, narrow kinds first: a cut within ± 1 picture, anything else between its ends (± 1). Both ends of a gap of black
 * are right, also together. What lies in a neutral span does not count.
 */
export function score({ changes, neutral }: Truth, starts: readonly number[]): Score {
  const within = (at: number, from: number, to: number) => at >= from - tolerance && at <= to + tolerance;
  const open = [...new Set(starts)]
    .filter((at) => !neutral.some(([from, to]) => within(at, from, to)))
    .sort((a, b) => a - b);
  const found = new Set<LabelledChange>();
  for (const kind of order)
    for (const change of changes) {
      if (change.kind !== kind) continue;
      const hit = open.findIndex((at) => within(at, change.from, change.to));
      if (hit < 0) continue;
      open.splice(hit, 1);
      found.add(change);
    }
  const covered = (at: number, by: (change: LabelledChange) => boolean) =>
    changes.some((change) => by(change) && within(at, change.from, change.to));
  const wrong = open.filter((at) => !covered(at, ({ kind }) => kind === 'gap'));
  const tally = (list: readonly LabelledChange[], spurious: number): Tally => {
    const right = list.filter((change) => found.has(change)).length;
    return { found: right + spurious, right, missed: list.length - right };
  };
  const kinds = Object.fromEntries(
    order.map((kind) => {
      const list = changes.filter((change) => change.kind === kind);
      return [kind, { of: list.length, found: list.filter((change) => found.has(change)).length }];
    }),
  ) as Record<ChangeKind, { of: number; found: number }>;
  return {
    cuts: tally(
      changes.filter(isAbrupt),
      wrong.filter((at) => !covered(at, (change) => !isAbrupt(change))).length,
    ),
    all: tally(changes, wrong.length),
    kinds,
    missed: changes.filter((change) => !found.has(change)).map(({ from }) => from),
    wrong,
  };
}

export function total(scores: readonly Score[]): Score {
  const kinds = Object.fromEntries(
    order.map((kind) => [
      kind,
      {
        of: scores.reduce((all, one) => all + one.kinds[kind].of, 0),
        found: scores.reduce((all, one) => all + one.kinds[kind].found, 0),
      },
    ]),
  ) as Record<ChangeKind, { of: number; found: number }>;
  return {
    cuts: sum(scores.map((one) => one.cuts)),
    all: sum(scores.map((one) => one.all)),
    kinds,
    missed: [],
    wrong: [],
  };
}

/** Drops boundaries that follow the one before in less than `least` pictures: the minimum scene length of detectors that have none. */
export function spaced(starts: readonly number[], least: number): number[] {
  const kept: number[] = [];
  for (const at of [...starts].sort((a, b) => a - b)) if (at - (kept.at(-1) ?? 0) >= least) kept.push(at);
  return kept;
}
