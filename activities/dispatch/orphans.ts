/** Objects without a row: what a process left that died between a store's answer and the records. */
import type { Kinds } from '@darkroom/contract';
import { type Db, liveDependents, liveJobIds } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';

/** Younger folders may belong to a request under way. */
const settledMs = 24 * 3_600_000;
/** When all folders were looked at, they rest this long. */
const restMs = 3_600_000;

/** Looks at a page of folders at each pass, so that no pass is long however many jobs there are. */
export class OrphanSweep {
  readonly #db: Db;
  readonly #storage: Storage;
  readonly #roots: readonly string[];
  #root = 0;
  #after: string | undefined;
  #restUntil = 0;

  constructor(db: Db, storage: Storage, kinds: Kinds) {
    this.#db = db;
    this.#storage = storage;
    // A kind names a job's folder; what stands before the id is where all its jobs' folders are.
    this.#roots = [
      ...new Set(
        Object.values(kinds)
          .flatMap(({ inputs, outputs }) => [inputs('#'), ...outputs('#')])
          .map((folder) => folder.slice(0, folder.indexOf('#'))),
      ),
    ];
  }

  /** Removes the orphans of the next page; returns how many folders they were. */
  async pass(beat: () => void): Promise<number> {
    const root = this.#roots[this.#root];
    if (root === undefined || Date.now() < this.#restUntil) return 0;
    const folders = await this.#storage.listFolders(root, { after: this.#after });
    this.#after = folders.at(-1);
    if (this.#after === undefined) {
      this.#root = (this.#root + 1) % this.#roots.length;
      if (this.#root === 0) this.#restUntil = Date.now() + restMs;
    }
    return await this.#remove(root, folders, beat);
  }

  async #remove(root: string, folders: readonly string[], beat: () => void): Promise<number> {
    const idOf = (folder: string): string => folder.slice(root.length, -1);
    const settled = folders.filter((folder) => madeAt(idOf(folder)) < Date.now() - settledMs);
    const live = await liveJobIds(this.#db, settled.map(idOf));
    let removed = 0;
    for (const folder of settled) {
      beat();
      if (live.has(idOf(folder)) || (await liveDependents(this.#db, idOf(folder))) > 0) continue;
      await this.#storage.removePrefix(folder);
      removed++;
    }
    return removed;
  }
}

/** Milliseconds since 1970 in a UUIDv7 (RFC 9562 §5.7: its first 48 bits); what is no UUIDv7 counts as new. */
function madeAt(id: string): number {
  const match = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.exec(id);
  return match === null ? Number.POSITIVE_INFINITY : Number.parseInt(`${match[1]}${match[2]}`, 16);
}
