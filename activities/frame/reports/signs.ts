/**
 * Two signs of an attempt, kept apart: a timer of the process says that its worker lives, the work says that it gets on. A worker that
 * lives over work that stands still is how a hung program or a deadlock looks.
 */
import { type Fence, Fenced, noteSigns } from '@darkroom/records';
import type { FrameDeps } from '../attempt/attempt.ts';

/** How often the signs are written; an attempt that is shorter writes none. */
const interval = 5000;

export interface Still {
  /** Seconds that the work may stand still; for ever, when absent. */
  readonly longestStillSeconds?: number | undefined;
  /** Told once when it has stood still for longer. */
  onStill(seconds: number): void;
  onFenced(error: Fenced): void;
}

export class Signs {
  readonly #timer: NodeJS.Timeout;
  #movedAt = performance.now();
  /** Whether the work has got on since that was last written. */
  #moved = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: FrameDeps, fence: Fence, stage: string, still: Still) {
    const write = async (): Promise<void> => {
      const movedMsAgo = this.#moved ? performance.now() - this.#movedAt : null;
      this.#moved = false;
      try {
        await noteSigns(deps.records.db, fence, stage, movedMsAgo);
      } catch (error) {
        if (movedMsAgo !== null) this.#moved = true;
        if (error instanceof Fenced) still.onFenced(error);
        else deps.logger.warn({ jobId: fence.jobId, err: error }, 'signs of life could not be written');
      }
    };
    let busy = false;
    this.#timer = setInterval(
      () => {
        const seconds = (performance.now() - this.#movedAt) / 1000;
        if (seconds > (still.longestStillSeconds ?? Number.POSITIVE_INFINITY)) still.onStill(seconds);
        if (busy) return;
        busy = true;
        this.#writing = write().finally(() => {
          busy = false;
        });
      },
      Math.min(interval, ((still.longestStillSeconds ?? 3600) * 1000) / 10),
    );
    this.#timer.unref();
  }

  /** When the work got on last, by this machine's clock. */
  get movedAt(): string {
    return new Date(Date.now() - (performance.now() - this.#movedAt)).toISOString();
  }

  /** The work has got on. */
  moved(): void {
    this.#movedAt = performance.now();
    this.#moved = true;
  }

  /** Writes no more; resolves when nothing is being written. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
  }
}
