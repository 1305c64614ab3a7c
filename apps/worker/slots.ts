/** Slots that two workers of a process share: the one of a queue, and the one of the process's own queue beside it. */
import type { ActivitySlotInfo, CustomSlotSupplier, WorkerOptions } from '@temporalio/worker';

/** An activity waited for a slot as long as it may. */
export class NoSlot extends Error {
  override readonly name = 'NoSlot';
}

/**
 * So many activities at once, whichever of the workers got them. A worker asks its queue for work with a slot reserved, and a question that
 * is out cannot be called back: so each may reserve what is not in use, and where both are answered at once, `run` has the later one wait.
 */
export class SharedSlots {
  readonly #count: number;
  #used = 0;
  #running = 0;
  readonly #line: (() => void)[] = [];
  #freed = Promise.withResolvers<void>();

  constructor(count: number) {
    this.#count = count;
  }

  /**
   * Runs an activity when one of the slots is free, or it is told to stop, so that it does. Throws {@link NoSlot} when none was for
   * `patienceMs`; without it there is no end to the wait.
   */
  async run<R>(signal: AbortSignal, work: () => Promise<R>, patienceMs?: number): Promise<R> {
    const held = await this.#enter(signal, patienceMs);
    try {
      return await work();
    } finally {
      if (held) this.#leave();
    }
  }

  /** Whether a slot was taken. */
  #enter(signal: AbortSignal, patienceMs: number | undefined): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.#running < this.#count) {
      this.#running++;
      return Promise.resolve(true);
    }
    return new Promise((resolve, reject) => {
      let patience: NodeJS.Timeout | undefined;
      const stopWaiting = (): void => {
        clearTimeout(patience);
        signal.removeEventListener('abort', giveUp);
      };
      const enter = (): void => {
        stopWaiting();
        resolve(true);
      };
      const leaveLine = (): void => {
        stopWaiting();
        this.#line.splice(this.#line.indexOf(enter), 1);
      };
      const giveUp = (): void => {
        leaveLine();
        resolve(false);
      };
      this.#line.push(enter);
      signal.addEventListener('abort', giveUp, { once: true });
      if (patienceMs === undefined) return;
      patience = setTimeout(() => {
        leaveLine();
        reject(new NoSlot(`No slot was free for ${patienceMs} ms.`));
      }, patienceMs);
    });
  }

  /** Whose turn ends hands its slot on. */
  #leave(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#running--;
    else next();
  }

  /** The slots as one of the workers takes them. */
  tuner(): NonNullable<WorkerOptions['tuner']> {
    const others = { type: 'fixed-size', numSlots: 40 } as const;
    return {
      activityTaskSlotSupplier: this.#supplier(),
      workflowTaskSlotSupplier: others,
      localActivityTaskSlotSupplier: others,
      nexusTaskSlotSupplier: others,
    };
  }

  #supplier(): CustomSlotSupplier<ActivitySlotInfo> {
    let reserved = 0;
    const waitForOne = (): Promise<void> => this.#freed.promise;
    const used = new Set<object>();
    const reserve = (): object | null => {
      if (this.#used + reserved >= this.#count) return null;
      reserved++;
      return {};
    };
    const free = (): void => {
      this.#freed.resolve();
      this.#freed = Promise.withResolvers();
    };
    return {
      type: 'custom',
      async reserveSlot(_, signal) {
        const aborted = Promise.withResolvers<never>();
        aborted.promise.catch(() => {});
        const abort = (): void => aborted.reject(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
        try {
          for (;;) {
            signal.throwIfAborted();
            const permit = reserve();
            if (permit !== null) return permit;
            await Promise.race([waitForOne(), aborted.promise]);
          }
        } finally {
          signal.removeEventListener('abort', abort);
        }
      },
      tryReserveSlot: () => reserve(),
      markSlotUsed: ({ permit }) => {
        used.add(permit);
        reserved--;
        this.#used++;
      },
      releaseSlot: ({ permit }) => {
        if (used.delete(permit)) this.#used--;
        else reserved--;
        free();
      },
    };
  }
}
