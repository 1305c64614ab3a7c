/** The versions that a worker holds open: each is opened by itself, watched, and tried again where it failed. */
import {
  type ModelIdentity,
  type OpenedModel,
  ProblemError,
  type ProblemRecord,
  problemOf,
} from '@darkroom/contract';
import type { Confirmation } from '@darkroom/models';
import type { Logger } from '@darkroom/platform';
import { Lanes } from '@darkroom/platform/lanes.ts';
import type { ModelLanes } from '../lane/lanes.ts';
import { openedModelOf } from './opened-model.ts';

export interface HeldOptions {
  readonly models: Pick<ModelLanes, 'learn' | 'warm' | 'pidsOf' | 'unload' | 'refuse'>;
  readonly logger: Logger;
  /** How many processes a version has at most. */
  readonly lanes: number;
  /** Whether a lane of each is kept warm, as far as there is room. */
  readonly warm: boolean;
  /** Called when something has come of opening one. */
  readonly changed: () => void;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** What is to be held. */
export interface Wanted {
  readonly identity: ModelIdentity;
  /** Whether it is what the worker was configured with. */
  readonly own: boolean;
}

interface Held {
  wanted: Wanted;
  state: Confirmation['state'];
  problem: ProblemRecord | undefined;
  opened: OpenedModel | undefined;
  /** How often it failed since it was open, and when it is tried again. */
  failures: number;
  retryAt: number;
  /** Since when no lane is there where one should be. */
  downSince: number | undefined;
  opening: Promise<void> | undefined;
  /** Since when nobody wants it. */
  leftSince: number | undefined;
}

/** Openings at a time: each takes a core for a second or more. */
const openingsAtOnce = 2;
/** What failed is tried again after so long, and then as often: its file may have been mended. */
const retryMs = [10_000, 60_000];
/** A lane that died is back sooner; a version that has been without for so long is told not to be open. */
const downMs = 4000;
/** What was sent when it was still wanted, or by an API that has not heard yet, is answered by the lanes that are there. */
const leavingMs = 10_000;

export class HeldVersions {
  readonly #options: HeldOptions;
  readonly #now: () => number;
  /** By digest. */
  readonly #held = new Map<string, Held>();
  readonly #turns = new Lanes(openingsAtOnce);

  constructor(options: HeldOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  has({ digest }: Pick<ModelIdentity, 'digest'>): boolean {
    return this.#held.has(digest);
  }

  /** What came of a version so far. */
  of({ digest }: Pick<ModelIdentity, 'digest'>): Pick<Held, 'opened' | 'problem'> | undefined {
    return this.#held.get(digest);
  }

  /** Settles when it is known what comes of opening that version. */
  async settled({ digest }: Pick<ModelIdentity, 'digest'>): Promise<void> {
    await this.#held.get(digest)?.opening;
  }

  /** Settles when that is known of each that is held. */
  async allSettled(): Promise<void> {
    await Promise.all([...this.#held.values()].map(({ opening }) => opening));
  }

  /** Holds these from now on: opens what is new, lets go of what has not been among them for a while, and looks after all. */
  look(wanted: readonly Wanted[]): void {
    const digests = new Set(wanted.map(({ identity }) => identity.digest));
    for (const [digest, held] of this.#held)
      if (!digests.has(digest)) {
        held.leftSince ??= this.#now();
        if (this.#now() - held.leftSince >= leavingMs || held.opened === undefined) this.#letGo(held);
      }
    for (const one of wanted) {
      const held = this.#held.get(one.identity.digest) ?? fresh(one);
      this.#held.set(one.identity.digest, held);
      held.wanted = one;
      held.leftSince = undefined;
      this.#attend(held);
    }
  }

  /** What the worker says of each, no two by the same name and version: its own before others'. */
  confirmations(): Omit<Confirmation, 'serves'>[] {
    const said = new Map<string, Omit<Confirmation, 'serves'>>();
    const ownFirst = this.#staying().sort((a, b) => Number(b.wanted.own) - Number(a.wanted.own));
    for (const { wanted, state, problem } of ownFirst) {
      const { name, version, digest } = wanted.identity;
      const key = JSON.stringify([name, version]);
      const lanes = state === 'ready' ? this.#options.lanes : 0;
      if (!said.has(key)) said.set(key, { name, version, digest, own: wanted.own, state, lanes, problem });
    }
    return [...said.values()];
  }

  /** How those are understood that are open. */
  opened(): OpenedModel[] {
    return this.#staying().flatMap(({ opened }) => opened ?? []);
  }

  #staying(): Held[] {
    return [...this.#held.values()].filter(({ leftSince }) => leftSince === undefined);
  }

  #letGo({ wanted: { identity } }: Held): void {
    const { models, logger } = this.#options;
    this.#held.delete(identity.digest);
    logger.info({ model: identity }, 'a model version is let go of');
    models.refuse(identity, undefined);
    // What it has in hand is done first.
    void models.unload(identity);
  }

  #isHeld(held: Held): boolean {
    return this.#held.get(held.wanted.identity.digest) === held;
  }

  #attend(held: Held): void {
    const { models, warm } = this.#options;
    const { identity } = held.wanted;
    const isUp = models.pidsOf(identity).length > 0;
    if (held.state === 'ready' && (isUp || !warm)) held.downSince = undefined;
    else if (held.state === 'ready') {
      held.downSince ??= this.#now();
      if (held.opening !== undefined && this.#now() - held.downSince > downMs) held.state = 'opening';
    }
    const isDue = held.state === 'ready' ? held.downSince !== undefined : isUp || this.#now() >= held.retryAt;
    if (held.opening !== undefined || !isDue) return;
    held.opening = this.#turns
      .run(() => this.#open(held))
      .finally(() => {
        held.opening = undefined;
      });
  }

  async #open(held: Held): Promise<void> {
    const { changed, models } = this.#options;
    // It was let go of while it waited for its turn.
    if (!this.#isHeld(held)) return;
    const before = { state: held.state, detail: held.problem?.detail };
    const outcome = await this.#outcomeOf(held);
    if (outcome === undefined) return;
    Object.assign(held, outcome);
    models.refuse(held.wanted.identity, held.problem);
    // Where there is no room for a lane nothing is new, and nobody is to look again at once.
    if (before.state !== held.state || before.detail !== held.problem?.detail) changed();
  }

  /** Undefined where it was let go of meanwhile: it is not opened again then. */
  async #outcomeOf(held: Held): Promise<Partial<Held> | undefined> {
    const { models, warm, logger } = this.#options;
    const { wanted, opened, failures } = held;
    const { identity, own } = wanted;
    try {
      const understanding = await models.learn(identity);
      if (!this.#isHeld(held)) return undefined;
      // Where there is no room it is open all the same: a lane is there when somebody asks.
      if (warm) await models.warm(identity, true);
      if (opened === undefined) logger.info({ model: identity }, understanding.understood);
      const state = 'ready';
      return {
        state,
        problem: undefined,
        failures: 0,
        downSince: undefined,
        opened: openedModelOf(understanding),
      };
    } catch (error) {
      if (!this.#isHeld(held)) return undefined;
      const problem = problemOfOpening(error);
      if (failures === 0)
        logger[own ? 'error' : 'warn'](
          { model: identity, code: problem.code },
          `a model is not open: ${problem.detail}`,
        );
      const wait = retryMs[Math.min(failures, retryMs.length - 1)] ?? 0;
      return { state: 'failed', problem, failures: failures + 1, retryAt: this.#now() + wait };
    }
  }
}

const fresh = (wanted: Wanted): Held => ({
  wanted,
  state: 'opening',
  problem: undefined,
  opened: undefined,
  failures: 0,
  retryAt: 0,
  downSince: undefined,
  opening: undefined,
  leftSince: undefined,
});

export function problemOfOpening(error: unknown): ProblemRecord {
  if (error instanceof ProblemError) return error.problem;
  return problemOf('unsupported_model', error instanceof Error ? error.message : String(error));
}
