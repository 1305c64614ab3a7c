/**
 * Cutouts as whoever waits for one asks for it: made once for all that ask for the same meanwhile, in this process and in others, as one
 * durable unit. What was handed over is made and found, also where this process dies.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { cutoutsChannel, ProblemError } from '@darkroom/contract';
import type { Records } from '@darkroom/records';
import type { CutoutCall } from '../make/call.ts';
import type { RealtimeCall } from './call.ts';
import { type CutoutFile, claimFile, fileOf, finishFile, takeOverFile } from './records/files.ts';

export interface MakerDeps {
  readonly records: Pick<Records, 'db' | 'listen'>;
  /** Starts the unit; one that is there already is fine. */
  readonly start: (call: RealtimeCall, owner: string) => Promise<void>;
  /** Whether the engine still works on the unit, or means to. */
  readonly isOpen: (unit: string) => Promise<boolean>;
  readonly newUnit: () => string;
  /** Distinct cutouts under way for this process at once; more are refused. */
  readonly most: number;
  /** How often the engine is asked what became of one that takes long, milliseconds; 5,000. */
  readonly askMs?: number;
}

export interface WantedCutout {
  readonly digest: string;
  readonly owner: string;
  readonly call: CutoutCall;
  /** Milliseconds it is waited for. */
  readonly deadlineMs: number;
  /** Aborts when whoever asks has gone; what was handed over is made all the same. */
  readonly signal: AbortSignal;
  /** Called where there is no file yet, so that it is waited for. */
  readonly waits?: () => void;
}

/** How late a file is found whose notification was lost. */
const lookMs = 1000;

export class CutoutMaker {
  readonly #deps: MakerDeps;
  readonly #underWay = new Map<string, Promise<CutoutFile>>();
  /** What looks for the file of each unit that is waited for. */
  readonly #looks = new Map<string, () => void>();
  #listening: Promise<{ unlisten(): Promise<void> }> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: MakerDeps) {
    this.#deps = deps;
  }

  /** Distinct cutouts under way; 0 at rest. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Throws `overloaded` where {@link make} of something new would. */
  requireRoom(): void {
    if (this.#underWay.size >= this.#deps.most)
      throw new ProblemError('overloaded', `${this.#deps.most} cutouts are under way here.`, {
        retryAfterSeconds: 1,
      });
  }

  /**
   * The file, made or found (`shared`); of one that failed its row has the problem. Throws `overloaded`, `deadline_exceeded`, what engine and
   * records throw, or the signal's reason.
   */
  async make(wanted: WantedCutout): Promise<{ readonly file: CutoutFile; readonly shared: boolean }> {
    const { digest } = wanted;
    const known = this.#underWay.get(digest);
    if (known === undefined) this.requireRoom();
    else wanted.waits?.();
    let shared = known !== undefined;
    const work =
      known ??
      this.#make(wanted, () => {
        shared = true;
      }).finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, work);
    const file = await inTime(work, wanted);
    return { file, shared };
  }

  /** Resolves when nothing is under way for this process. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await (await this.#listening)?.unlisten();
  }

  async #make(wanted: WantedCutout, found: () => void): Promise<CutoutFile> {
    const { digest } = wanted;
    const { records, newUnit } = this.#deps;
    this.#listen();
    const { file, claimed } = await claimFile(records.db, { digest, unit: newUnit() });
    if (file.state === 'making') wanted.waits?.();
    if (claimed) await this.#start(wanted, file);
    else found();
    const made = await this.#ended(file);
    if (made !== undefined) return made;
    // The engine has given it up, or its process died between the row and the start: once more, by whoever is first.
    const unit = newUnit();
    if (await takeOverFile(records.db, file, unit)) await this.#start(wanted, { ...file, unit });
    const now = await fileOf(records.db, digest);
    const again = now === undefined ? undefined : await this.#ended(now);
    if (again !== undefined) return again;
    const ended = new ProblemError('internal', 'The work on the cutout has ended twice without a result.');
    // Whoever asks next begins anew, and does not wait for what nobody makes.
    if (now !== undefined)
      await finishFile(records.db, now, { problem: ended.problem, timings: {} }).catch(() => {});
    throw ended;
  }

  async #start({ call, deadlineMs, owner }: WantedCutout, { digest, unit }: CutoutFile): Promise<void> {
    try {
      await this.#deps.start({ ...call, digest, unit, leftMs: Math.ceil(deadlineMs) }, owner);
    } catch (error) {
      // Whether the unit was started may be unknown. Where it was, what it comes to takes the place of this.
      if (error instanceof ProblemError)
        await finishFile(
          this.#deps.records.db,
          { digest, unit },
          { problem: error.problem, timings: {} },
        ).catch(() => {});
      throw error;
    }
  }

  /** The file of a digest when it is there, or has failed; undefined where the engine has given it up, or its row has gone. */
  async #ended({ digest, unit, ...file }: CutoutFile): Promise<CutoutFile | undefined> {
    if (file.state !== 'making') return { digest, unit, ...file };
    const { records, isOpen, askMs = 5000 } = this.#deps;
    let askAt = Date.now() + askMs;
    for (;;) {
      const told = this.#told(unit);
      const row = await fileOf(records.db, digest).catch(() => 'unknown' as const);
      // Nobody made it for so long that it was forgotten: there is nothing more to come.
      if (row === undefined) return undefined;
      if (row !== 'unknown' && row.state !== 'making') return row.state === 'doomed' ? undefined : row;
      if (row !== 'unknown' && row.unit !== unit) return this.#ended(row);
      if (row !== 'unknown' && Date.now() >= askAt) {
        askAt = Date.now() + askMs;
        if (!(await isOpen(unit).catch(() => true))) {
          // It may have ended between the two questions.
          const last = await fileOf(records.db, digest);
          return last?.state === 'making' ? undefined : last;
        }
      }
      await told;
    }
  }

  /** Resolves with the next word of that unit, or when it is time to look for it. */
  #told(unit: string): Promise<void> {
    return new Promise((resolve) => {
      const others = this.#looks.get(unit);
      const look = AsyncLocalStorage.bind(() => {
        this.#looks.delete(unit);
        others?.();
        resolve();
      });
      this.#looks.set(unit, look);
    });
  }

  /** With the first cutout: a process of which nobody wants one has no connection for them. */
  #listen(): void {
    if (this.#listening !== undefined) return;
    const lookForAll = (): void => {
      for (const look of [...this.#looks.values()]) look();
    };
    // What was told while nobody listened is lost, so that all are looked for after each (re)connection.
    this.#listening = this.#deps.records.listen(
      cutoutsChannel,
      (unit) => this.#looks.get(unit)?.(),
      lookForAll,
    );
    this.#timer = setInterval(lookForAll, lookMs);
    this.#timer.unref();
  }
}

/** Throws `deadline_exceeded` once the work takes longer than that, or the signal's reason. */
async function inTime<T>(work: Promise<T>, { deadlineMs, signal }: WantedCutout): Promise<T> {
  const stop = Promise.withResolvers<never>();
  const leave = (): void => stop.reject(signal.reason);
  const late = (): void =>
    stop.reject(
      new ProblemError(
        'deadline_exceeded',
        `It was not made within ${deadlineMs} ms. It is made all the same: the same request a little later has it.`,
        { retryAfterSeconds: 2 },
      ),
    );
  const timer = setTimeout(late, deadlineMs);
  signal.addEventListener('abort', leave, { once: true });
  // Whoever left does not see it fail.
  work.catch(() => {});
  try {
    return await Promise.race([work, stop.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  }
}
