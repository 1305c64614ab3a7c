/** Objects without a row: what a process left that died between a store's answer and the records. */
import type { Logger } from '@darkroom/platform';
import { assertUnneeded, type Db, isNeeded, liveJobIds } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import type { DispatchDeps } from '../index.ts';

/** Younger folders may belong to a request under way. */
const settledMs = 24 * 3_600_000;
/** When all folders were looked at, they rest this long. */
const restMs = 3_600_000;

/** Looks at a page of folders at each pass, so that no pass is long however many jobs there are. */
export class OrphanSweep {
  readonly #db: Db;
  readonly #storage: Storage;
  readonly #logger: Logger;
  readonly #roots: readonly string[];
  #root = 0;
  #after: string | undefined;
  #restUntil = 0;

  constructor({
    records,
    storage,
    logger,
    kinds,
  }: Pick<DispatchDeps, 'records' | 'storage' | 'logger' | 'kinds'>) {
    this.#db = records.db;
    this.#storage = storage;
    this.#logger = logger;
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
  async pass(signal: AbortSignal): Promise<number> {
    const root = this.#roots[this.#root];
    if (root === undefined || Date.now() < this.#restUntil) return 0;
    const folders = await this.#storage.listFolders(root, { after: this.#after });
    this.#after = folders.at(-1);
    if (this.#after === undefined) {
      this.#root = (this.#root + 1) % this.#roots.length;
      if (this.#root === 0) this.#restUntil = Date.now() + restMs;
    }
    return await this.#remove(root, folders, signal);
  }

  async #remove(root: string, folders: readonly string[], signal: AbortSignal): Promise<number> {
    const idOf = (folder: string): string => folder.slice(root.length, -1);
    const settled = folders.filter((folder) => madeAt(idOf(folder)) < Date.now() - settledMs);
    const live = await liveJobIds(this.#db, settled.map(idOf));
    let removed = 0;
    const left: { folder: string; error: unknown }[] = [];
    for (const folder of settled) {
      signal.throwIfAborted();
      const id = idOf(folder);
      try {
        // A job that is to be deleted is its removal's until it is proven gone.
        if (live.has(id) || (await isNeeded(this.#db, id))) continue;
        await this.#storage.removePrefix(folder, {
          assertHeld: () => assertUnneeded(this.#db, id),
          signal,
        });
        removed++;
      } catch (error) {
        // One that a repetition needs by now, or that the store does not give up, holds up no other.
        signal.throwIfAborted();
        left.push({ folder, error });
      }
    }
    if (left[0] !== undefined)
      this.#logger.warn(
        { folders: left.length, folder: left[0].folder, err: left[0].error },
        'sweep: orphans left for the next round',
      );
    return removed;
  }
}

/** Milliseconds since 1970 in a UUIDv7 (RFC 9562 §5.7: its first 48 bits); what is no UUIDv7 counts as new. */
function madeAt(id: string): number {
  const match = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.exec(id);
  return match === null ? Number.POSITIVE_INFINITY : Number.parseInt(`${match[1]}${match[2]}`, 16);
}
