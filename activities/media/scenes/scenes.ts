/**
 * Finds where scenes begin, from pictures in order of time. Pure: knows nothing of files or decoders.
 *
 * A picture that changes more than its neighbours and that movement does not explain begins a scene (`cuts.ts`), pictures that are
 * mixtures of one before and one after belong to a dissolve (`dissolves.ts`), and those that go to one colour by and by to a fade
 * (`fades.ts`). All reasoning is in seconds, and every verdict rests on the seconds around it alone.
 */
import { examine, horizon, noveltyAt, ratioAt } from './cuts.ts';
import { type DissolveEvidence, fallOfDetail, mixture, spans } from './dissolves.ts';
import { FadeWatch } from './fades.ts';
import type { SmallPicture } from './picture.ts';
import { type Sample, takeSample } from './sample.ts';
import {
  clearNovelty,
  cutFloor,
  cutStrength,
  dissolveFloor,
  dissolveStrength,
  endsDiffer,
  isBare,
  isChange,
  isNovel,
  standsOut,
} from './verdict.ts';

export interface SceneOptions {
  /** How many times as much as its neighbours a picture must change for a cut. */
  readonly threshold: number;
  /** Whether fades and dissolves are looked for. */
  readonly gradual: boolean;
}

export interface FoundBoundary {
  /** Seconds: the first frame of the new scene; of a gradual one the middle of the transition, of a fade that of its one colour. */
  readonly at: number;
  readonly kind: 'cut' | 'fade' | 'dissolve';
  /** In thresholds, at least 1. */
  readonly score: number;
  /** Seconds; both are `at` for a cut. */
  readonly transition: { readonly from: number; readonly to: number };
}

/** Samples a second that are looked at, at most; cells of time that begin at 0, so that it does not matter where one starts. */
const fastest = 240;
/** Seconds between samples that slow changes are measured on, about. */
const pace = 0.04;
/** Seconds of samples that are kept. */
const kept = 4.2;
/** Seconds behind the last picture before which all is certain: usually, and while something gradual may be going on. */
const usualLag = 0.4;
const gradualLag = 1.7;
/** Seconds for which a suspicion of something gradual lasts. */
const suspicionLasts = 0.2;

/** A detector that is first fed at t − memorySeconds says from t on what one that was fed from the beginning says. */
export const memorySeconds = 8;

export class SceneDetector {
  readonly #options: SceneOptions;
  readonly #samples: Sample[] = [];
  /** Those of the samples since the last cut on which slow changes are measured. */
  #slow: Sample[] = [];
  /** How many samples at the front of the list have been judged as cuts. */
  #judged = 0;
  readonly #fades = new FadeWatch();
  #mixtures: Mixture[] = [];
  /** Fades of the last seconds: what else seems to be there is part of them. */
  #veils: { readonly from: number; readonly to: number }[] = [];
  #pending: FoundBoundary[] = [];
  /** When something gradual was last suspected. */
  #suspected = Number.NEGATIVE_INFINITY;
  #settled = Number.NEGATIVE_INFINITY;

  constructor(options: SceneOptions) {
    this.#options = options;
  }

  /** A boundary can still be found at or after this time; all before it is settled. */
  get settled(): number {
    return this.#settled;
  }

  /** Boundaries that have become certain with this picture, in order. Pictures come in order of time. */
  push(at: number, picture: SmallPicture): FoundBoundary[] {
    const before = this.#samples.at(-1);
    if (before && (at <= before.at || Math.floor(at * fastest) === Math.floor(before.at * fastest)))
      return [];
    this.#samples.push(takeSample(at, picture, before));
    this.#forget(at - kept);
    this.#findCuts(at);
    if (this.#options.gradual) {
      this.#findFade(this.#fades.push(this.#samples));
      if (before === undefined || Math.floor(at / pace) !== Math.floor(before.at / pace))
        this.#findMixtures(at);
    }
    this.#settled = Math.max(this.#settled, this.#certainBefore(at));
    return this.#release();
  }

  /** What the pictures so far tell when no further one follows. */
  end(): FoundBoundary[] {
    this.#findCuts(Number.POSITIVE_INFINITY);
    if (this.#options.gradual) this.#findFade(this.#fades.end(this.#samples));
    this.#settled = Number.POSITIVE_INFINITY;
    return this.#release();
  }

  #forget(until: number): void {
    let gone = 0;
    while (this.#samples[gone]!.at < until && gone < this.#judged) gone++;
    this.#samples.splice(0, gone);
    this.#judged -= gone;
    this.#mixtures = this.#mixtures.filter(({ foundAt }) => foundAt >= until);
    this.#veils = this.#veils.filter(({ to }) => to >= until);
  }

  /** Judges the samples whose surroundings are known at the time `now`. */
  #findCuts(now: number): void {
    const threshold = this.#options.threshold;
    for (; this.#judged < this.#samples.length; this.#judged++) {
      const sample = this.#samples[this.#judged]!;
      if (sample.at + horizon >= now) return;
      if (this.#judged === 0) continue;
      const bare = isBare(this.#samples[this.#judged - 1]!, sample);
      if (!isChange(sample.change, bare)) continue;
      const ratio = ratioAt(this.#samples, this.#judged, cutFloor);
      if (!standsOut(ratio)) continue;
      const novelty = noveltyAt(this.#samples, this.#judged, clearNovelty);
      if (!isNovel(novelty, ratio)) continue;
      const rest = examine(this.#samples, this.#judged, novelty);
      const score = cutStrength({ ratio, novelty, ...rest }, threshold);
      if (score < 1) continue;
      const { at } = sample;
      this.#pending.push({ at, kind: 'cut', score, transition: { from: at, to: at } });
      // A mixture of pictures on both sides of a cut is none.
      this.#slow = this.#slow.filter((slow) => slow.at >= at);
      this.#mixtures = this.#mixtures.filter(({ since, foundAt }) => at <= since || at > foundAt);
    }
  }

  #findFade(fade: ReturnType<FadeWatch['push']>): void {
    if (!fade) return;
    const { at, from, to, contrast } = fade;
    this.#pending = this.#pending.filter((other) => other.transition.to < from || other.transition.from > to);
    this.#veils.push({ from, to });
    this.#pending.push({ at, kind: 'fade', score: Math.max(1, contrast / 12), transition: { from, to } });
  }

  #findMixtures(at: number): void {
    const slow = this.#slow;
    slow.push(this.#samples.at(-1)!);
    while (slow[0]!.at < at - 1.5 * spans[spans.length - 1]!) slow.shift();
    for (const span of spans) {
      const ends = fallOfDetail(slow, span, dissolveFloor / 2);
      if (!ends) continue;
      this.#suspected = at;
      const evidence = mixture(slow, ends, dissolveFloor);
      const score = evidence === undefined ? 0 : dissolveStrength(evidence, this.#options.threshold);
      if (evidence !== undefined && score >= 1)
        this.#mixtures.push(weigh(evidence, score, at, this.#settled));
    }
  }

  /** Everything before is certain, now that pictures up to `now` are known. */
  #certainBefore(now: number): number {
    if (!this.#options.gradual) return now - usualLag;
    const busy =
      now - this.#suspected < suspicionLasts || this.#mixtures.some(({ at }) => at > now - gradualLag);
    const open = this.#fades.open ?? Number.POSITIVE_INFINITY;
    return Math.min(open, now - (busy ? gradualLag : usualLag));
  }

  #release(): FoundBoundary[] {
    const due = this.#mixtures.filter(({ decided, at }) => !decided && at < this.#settled);
    const best = due.length > 0 ? standing(this.#mixtures) : undefined;
    for (const mixture of due) {
      mixture.decided = true;
      const { at, score, from, to } = mixture;
      if (!best?.has(mixture) || !endsDiffer(mixture.novelty())) continue;
      if (this.#veils.some((veil) => veil.from <= to && veil.to >= from)) continue;
      this.#pending.push({ at, kind: 'dissolve', score, transition: { from, to } });
    }
    const certain = this.#pending.filter(({ at }) => at < this.#settled).sort((a, b) => a.at - b.at);
    this.#pending = this.#pending.filter(({ at }) => at >= this.#settled);
    return certain;
  }
}

/** A span of time that looks like a dissolve. */
interface Mixture {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  readonly score: number;
  /** Of two that overlap the one with more counts: it spans the whole change, and little besides. */
  readonly worth: number;
  readonly novelty: () => number;
  /** Times of the pictures it lies between; it was found with the later one, and whether what it stands for was settled already. */
  readonly since: number;
  readonly foundAt: number;
  readonly late: boolean;
  decided: boolean;
}

function weigh(evidence: DissolveEvidence, score: number, now: number, settled: number): Mixture {
  const { since, from, to, change, bend, novelty } = evidence;
  const at = (from + to) / 2;
  const late = at < settled;
  return {
    at,
    from,
    to,
    score,
    worth: change * (1 - 2 * bend),
    novelty,
    since,
    foundAt: now,
    late,
    decided: late,
  };
}

/** Of mixtures that overlap the one that is worth most, or as much and was found first. */
function standing(all: readonly Mixture[]): Set<Mixture> {
  const ranked = all
    .filter(({ late }) => !late)
    .sort((a, b) => b.worth - a.worth || a.foundAt - b.foundAt || a.at - b.at);
  const kept: Mixture[] = [];
  for (const mixture of ranked)
    if (kept.every(({ from, to }) => to <= mixture.from || from >= mixture.to)) kept.push(mixture);
  return new Set(kept);
}
