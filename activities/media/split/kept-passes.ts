/** Passes over videos that live on between the pages of a split, so that the next page does not decode again what they remember. */
import type { SplitEvent } from './split.ts';

/** Pictures that a pass has decoded; of these, those that it or an earlier one had decoded before. */
export interface Pictures {
  readonly decoded: number;
  readonly again: number;
}

/** A pass that is read page by page: leaving a page does not end it. */
export class SplitPass {
  readonly #over = new AbortController();
  readonly #events: AsyncGenerator<SplitEvent, void, undefined>;
  #pid = 0;
  #pictures: Pictures = { decoded: 0, again: 0 };

  /** `open` begins the pass; its signal aborts when the pass is ended, and the process that works on it is told to `onChild`. */
  constructor(
    open: (
      signal: AbortSignal,
      onChild: (pid: number) => void,
    ) => AsyncGenerator<SplitEvent, void, undefined>,
  ) {
    this.#events = open(this.#over.signal, (pid) => {
      this.#pid = pid;
    });
  }

  /** The process that works on it; 0 while there is none. */
  get pid(): number {
    return this.#pid;
  }

  /** As its last sign of life told them. */
  get pictures(): Pictures {
    return this.#pictures;
  }

  /** The next events, until the taker leaves. When `signal` aborts, the pass has ended: this throws what it throws, the signal's reason. */
  async *page(signal: AbortSignal): AsyncGenerator<SplitEvent, void, undefined> {
    const abort = (): void => this.#over.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        const next = await this.#events.next();
        if (next.done === true) return;
        if (next.value.type === 'progress') this.#pictures = next.value;
        yield next.value;
      }
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Resolves when all that it held is gone. Never rejects. */
  async end(): Promise<void> {
    this.#over.abort(new Error('The pass over the video is no longer wanted.'));
    await this.#events.return().catch(() => {});
  }
}

export interface KeptPassesOptions {
  /** Passes kept at most; of more, the one that has waited longest is ended. */
  readonly most: number;
  /** Milliseconds that one waits for its next page. */
  readonly idleMs: number;
  /** Milliseconds between two questions whether it is wanted. */
  readonly askMs: number;
}

interface Kept {
  readonly pass: SplitPass;
  /** Where it stands, in a form that is equal for equal places. */
  readonly place: string;
  readonly forget: () => void;
}

/** The passes of a process that wait, one a video at most, each under the name of its job's run. */
export class KeptPasses {
  readonly #options: KeptPassesOptions;
  /** By name, the longest kept first. */
  readonly #kept = new Map<string, Kept>();

  constructor(options: KeptPassesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The pass that stands at `place`, which is kept no more. One under that name that stands elsewhere is ended. */
  async take(name: string, place: string): Promise<SplitPass | undefined> {
    const kept = this.#remove(name);
    if (kept === undefined || kept.place === place) return kept?.pass;
    await kept.pass.end();
    return undefined;
  }

  /**
   * Keeps a pass until it is taken, has waited for too long, is one too many, or is `wanted` no more (its job was cancelled, or goes on in
   * another process; also when that cannot be found out).
   */
  async keep(name: string, place: string, pass: SplitPass, wanted: () => Promise<boolean>): Promise<void> {
    const { most, idleMs, askMs } = this.#options;
    const older = this.#remove(name);
    const end = (): void => {
      if (this.#kept.get(name)?.pass === pass) void this.#remove(name)?.pass.end();
    };
    let asking = false;
    const ask = async (): Promise<void> => {
      if (asking) return;
      asking = true;
      if (!(await wanted().catch(() => false))) end();
      asking = false;
    };
    const idle = setTimeout(end, idleMs);
    const asked = setInterval(() => void ask(), askMs);
    const forget = (): void => {
      clearTimeout(idle);
      clearInterval(asked);
    };
    this.#kept.set(name, { pass, place, forget });
    const tooMany = [...this.#kept.keys()].slice(0, Math.max(0, this.#kept.size - most));
    await Promise.all([older, ...tooMany.map((one) => this.#remove(one))].map((one) => one?.pass.end()));
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((name) => this.#remove(name)?.pass.end()));
  }

  #remove(name: string): Kept | undefined {
    const kept = this.#kept.get(name);
    kept?.forget();
    this.#kept.delete(name);
    return kept;
  }
}
