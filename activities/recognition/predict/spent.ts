/** Packed objects whose batches were predicted: they go by the hundred, behind the answers. */
import type { Storage } from '@darkroom/storage';

const mostAtOnce = 100;
const afterMs = 2000;

export class SpentObjects {
  readonly #remove: Storage['remove'];
  readonly #keys = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ remove }: Pick<Storage, 'remove'>) {
    this.#remove = remove;
  }

  add(key: string): void {
    this.#keys.add(key);
    if (this.#keys.size >= mostAtOnce) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), afterMs).unref();
  }

  /** Removes what there is. Never rejects: what stays is removed by the upkeep, an hour later. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const keys = [...this.#keys];
    this.#keys.clear();
    if (keys.length === 0) return;
    // Nobody reads them again but a repeated attempt, which finds out that they are spent: there is no fence to hold.
    await this.#remove(keys, { assertHeld: async () => {} }).catch(() => {});
  }
}
