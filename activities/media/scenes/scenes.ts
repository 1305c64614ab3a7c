/**
 * Finds where scenes begin, from pictures in order of time. Pure: knows nothing of files or decoders.
 *
 * A picture that changes more than its neighbours and that movement does not explain begins a scene (`evidence/cuts.ts`), pictures that are
 * mixtures of one before and one after belong to a dissolve (`dissolves.ts`), those in which one part after the other changes to a wipe
 * (`wipes.ts`), and those that go to one colour by and by to a fade (`fades.ts`). All reasoning is in seconds or, where pictures are few, in
 * pictures, and every verdict rests on those around it alone. The numbers are in `thresholds.ts`.
 */
import { type CutEvidence, judgeCut } from './evidence/cuts.ts';
import { dissolveStrength, endsOf, fallsInDetail, mixture } from './evidence/dissolves.ts';
import { FadeWatch } from './evidence/fades.ts';
import { History } from './evidence/history.ts';
import { type Sample, takePlanes } from './evidence/sample.ts';
import { wipeBetween } from './evidence/wipes.ts';
import type { SmallPicture } from './picture.ts';
import { thresholds } from './thresholds.ts';

export interface SceneOptions {
  /** How many times as much as its neighbours a picture must change for a cut. */
  readonly threshold: number;
  /** Whether fades, dissolves and wipes are looked for. */
  readonly gradual: boolean;
  /** Whether the evidence of each picture is kept for `takeEvidence`. */
  readonly evidence?: boolean;
}

/** What was measured of a picture, and what it speaks for; what was not looked at is absent. */
export interface PictureEvidence
  extends Partial<CutEvidence>,
    Pick<Sample, 'at' | 'change' | 'brightness' | 'contrast' | 'detail'> {
  /** What begins with it. */
  readonly boundary?: FoundBoundary['kind'];
}

export interface FoundBoundary {
  /** Seconds: the first frame of the new scene; of a gradual one the middle of the transition, of a fade that of its one colour. */
  readonly at: number;
  readonly kind: 'cut' | 'fade' | 'dissolve' | 'wipe';
  /** In thresholds, at least 1. */
  readonly score: number;
  /** Seconds; both are `at` for a cut. */
  readonly transition: { readonly from: number; readonly to: number };
}

const { memory, lag, dissolve, wipe } = thresholds;

/**
 * A detector that is first fed so many seconds, and so many pictures, before a time says from then on what one says that was fed from the
 * beginning.
 */
export const memorySeconds = memory.againSeconds;
export const memoryPictures = memory.againPictures;

export class SceneDetector {
  readonly #options: SceneOptions;
  readonly #history = new History();
  /** Times of those since the last cut on which slow changes are measured, in order. */
  #slow: number[] = [];
  /** How many samples at the front of the history have been judged as cuts. */
  #judged = 0;
  readonly #fades = new FadeWatch();
  #transitions: Transition[] = [];
  /** Fades of the last seconds: what else seems to be there is part of them. */
  #faded: Span[] = [];
  #pending: FoundBoundary[] = [];
  #evidence: PictureEvidence[] = [];
  /** When something gradual was last suspected. */
  #suspected = Number.NEGATIVE_INFINITY;
  #settled = Number.NEGATIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  constructor(options: SceneOptions) {
    this.#options = options;
  }

  /** A boundary can still be found at or after this time; all before it is settled. */
  get settled(): number {
    return this.#settled;
  }

  /** Boundaries that have become certain with this picture, in order. Pictures come in order of time. */
  push(at: number, picture: SmallPicture): FoundBoundary[] {
    const before = this.#last;
    // Cells of time that begin at 0, so that it does not matter where one starts.
    const cell = (time: number, perSecond: number) => Math.floor(time * perSecond);
    if (at <= before || cell(at, memory.mostPerSecond) === cell(before, memory.mostPerSecond)) return [];
    this.#last = at;
    this.#remember(at, picture);
    this.#findCuts(at);
    if (this.#options.gradual) {
      this.#findFade(this.#fades.push(this.#samples));
      if (cell(at, 1 / memory.slowStep) !== cell(before, 1 / memory.slowStep)) this.#findTransitions(at);
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

  /** The evidence of the pictures that were judged since it was last taken, in order; those still open at the end are judged by `end`. */
  takeEvidence(): PictureEvidence[] {
    const taken = this.#evidence;
    this.#evidence = [];
    return taken;
  }

  #note(index: number, evidence: Partial<CutEvidence>): void {
    if (this.#options.evidence !== true) return;
    const { at, change, brightness, contrast, detail } = this.#samples[index]!;
    this.#evidence.push({ at, change, brightness, contrast, detail, ...evidence });
  }

  get #samples(): readonly Sample[] {
    return this.#history.samples;
  }

  #remember(at: number, picture: SmallPicture): void {
    // Of those that are not judged yet the neighbours are needed.
    const open = this.#samples.length - this.#judged + 1 + thresholds.neighbours.pictures;
    this.#judged -= this.#history.push(takePlanes(at, picture), open).forgotten;
    const until = at - memory.seconds;
    this.#transitions = this.#transitions.filter(({ foundAt }) => foundAt >= until);
    this.#faded = this.#faded.filter(({ to }) => to >= until);
  }

  /** Judges the samples whose surroundings are known at the time `now`. */
  #findCuts(now: number): void {
    if (this.#judged === 0 && this.#samples.length > 0) {
      this.#note(0, {});
      this.#judged = 1;
    }
    for (; this.#judged < this.#samples.length; this.#judged++) {
      const evidence = judgeCut(this.#samples, this.#judged, now, this.#options.threshold);
      if (evidence === undefined) return;
      this.#note(this.#judged, evidence);
      if (evidence.score < 1) continue;
      const { at } = this.#samples[this.#judged]!;
      this.#pending.push({ at, kind: 'cut', score: evidence.score, transition: { from: at, to: at } });
      // A mixture of pictures on both sides of a cut is none.
      this.#slow = this.#slow.filter((time) => time >= at);
      this.#transitions = this.#transitions.filter(({ since, foundAt }) => at <= since || at > foundAt);
    }
  }

  #findFade(fade: ReturnType<FadeWatch['push']>): void {
    if (!fade) return;
    const { at, from, to, contrast } = fade;
    this.#pending = this.#pending.filter((other) => other.transition.to < from || other.transition.from > to);
    this.#faded.push({ from, to });
    const score = Math.max(1, contrast / thresholds.fade.full);
    this.#pending.push({ at, kind: 'fade', score, transition: { from, to } });
  }

  #findTransitions(at: number): void {
    const times = this.#slow;
    times.push(at);
    const longest = dissolve.spans[dissolve.spans.length - 1]!;
    while (times[0]! < at - 1.5 * longest) times.shift();
    let next = 0;
    const slow = this.#samples.filter((sample) => {
      while (times[next]! < sample.at) next++;
      return times[next] === sample.at;
    });
    const { threshold } = this.#options;
    for (const span of dissolve.spans) {
      const ends = endsOf(slow, span);
      if (!ends) continue;
      const wiped = wipeBetween(slow, ends);
      if (wiped) {
        this.#suspected = at;
        const score = wiped.change / wipe.floor / (threshold / 3);
        if (wiped.whole && score >= 1)
          this.#add({ ...wiped, kind: 'wipe', least: wipe.leastNovelty, score, worth: wiped.change / 2 });
      }
      if (!fallsInDetail(slow, ends)) continue;
      this.#suspected = at;
      const evidence = mixture(slow, ends);
      const score = evidence === undefined ? 0 : dissolveStrength(evidence, threshold);
      if (evidence === undefined || score < 1) continue;
      const worth = evidence.change * (1 - 2 * evidence.bend);
      const least = evidence.bend > dissolve.bent ? dissolve.leastBentNovelty : dissolve.leastNovelty;
      this.#add({ ...evidence, kind: 'dissolve', least, score, worth });
    }
  }

  #add(found: Omit<Transition, 'at' | 'foundAt' | 'late' | 'decided'>): void {
    const at = (found.from + found.to) / 2;
    const late = at < this.#settled;
    this.#transitions.push({ ...found, at, foundAt: this.#last, late, decided: late });
  }

  /** Everything before is certain, now that pictures up to `now` are known. */
  #certainBefore(now: number): number {
    const open = this.#samples[this.#judged]?.at ?? Number.POSITIVE_INFINITY;
    if (!this.#options.gradual) return Math.min(open, now - lag.usual);
    const busy =
      now - this.#suspected < lag.suspicion || this.#transitions.some(({ at }) => at > now - lag.gradual);
    const fading = this.#fades.open ?? Number.POSITIVE_INFINITY;
    return Math.min(open, fading, now - (busy ? lag.gradual : lag.usual));
  }

  #release(): FoundBoundary[] {
    const due = this.#transitions.filter(({ decided, at }) => !decided && at < this.#settled);
    const best = due.length > 0 ? standing(this.#transitions) : undefined;
    for (const transition of due) {
      transition.decided = true;
      const { at, kind, score, from, to } = transition;
      if (!best?.has(transition) || transition.novelty() < transition.least) continue;
      if (this.#faded.some((fade) => fade.from <= to && fade.to >= from)) continue;
      // What looks like a cut within a wipe is a step of it.
      if (kind === 'wipe') this.#pending = this.#pending.filter((other) => other.at < from || other.at > to);
      this.#pending.push({ at, kind, score, transition: { from, to } });
    }
    const certain = this.#pending.filter(({ at }) => at < this.#settled).sort((a, b) => a.at - b.at);
    this.#pending = this.#pending.filter(({ at }) => at >= this.#settled);
    return certain;
  }
}

/** Seconds. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** A span of time that looks like a dissolve or wipe. */
interface Transition extends Span {
  readonly kind: 'dissolve' | 'wipe';
  readonly at: number;
  readonly score: number;
  /** Of two that overlap the one with more counts: it spans the whole change, and little besides. */
  readonly worth: number;
  /** Novelty of the ends, and the least that it needs. */
  readonly novelty: () => number;
  readonly least: number;
  /** Times of the pictures it lies between; it was found with the later one, and whether what it stands for was settled already. */
  readonly since: number;
  readonly foundAt: number;
  readonly late: boolean;
  decided: boolean;
}

/** Of transitions that overlap the one that is worth most, or as much and was found first. */
function standing(all: readonly Transition[]): Set<Transition> {
  const ranked = all
    .filter(({ late }) => !late)
    .sort((a, b) => b.worth - a.worth || a.foundAt - b.foundAt || a.at - b.at);
  const kept: Transition[] = [];
  for (const transition of ranked)
    if (kept.every(({ from, to }) => to <= transition.from || from >= transition.to)) kept.push(transition);
  return new Set(kept);
}
