/** Files of model versions that are not this machine's own, kept in a folder that several processes may share. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Storage } from '@darkroom/storage';

export interface CachedFile {
  /** SHA-256 of the file, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** Where it is fetched from: key in the platform's bucket. */
  readonly object: string;
}

export interface ModelCacheOptions {
  readonly dir: string;
  /** What it holds at most. Files that are in use stay also beyond that. */
  readonly bytes: number;
  readonly storage: Pick<Storage, 'downloadToFile'>;
}

const fileName = 'model.onnx';
/** While one is being fetched. */
const coming = '.coming-';
/** A process that has a version open says so with each beat: by then, none has. */
const inUseMs = 60_000;
/** A fetch that takes longer is given up, and may be tried again. */
const fetchMs = 900_000;
/** No fetch takes so long: whoever was at it has died. */
const forsakenMs = 3_600_000;

export class ModelCache {
  readonly #options: ModelCacheOptions;
  /** Being fetched by this process, by SHA-256. */
  readonly #coming = new Map<string, Promise<void>>();

  constructor(options: ModelCacheOptions) {
    this.#options = options;
  }

  /** Path of the file, which is fetched where it is not there: whole, and with that SHA-256, or not at all. Throws what fetching and the disk throw. */
  async path(file: CachedFile): Promise<string> {
    const path = this.#pathOf(file.sha256);
    if (!(await this.#use(file))) {
      const fetching = this.#coming.get(file.sha256) ?? this.#fetch(file);
      this.#coming.set(file.sha256, fetching);
      await fetching.finally(() => this.#coming.delete(file.sha256));
    }
    return path;
  }

  /** These are in use: they stay. */
  async keep(files: Iterable<string>): Promise<void> {
    const now = new Date();
    for (const sha256 of files) await utimes(this.#pathOf(sha256), now, now).catch(() => {});
  }

  /** It was seen not to be what it is called. */
  async forget(sha256: string): Promise<void> {
    await rm(join(this.#options.dir, sha256), { recursive: true, force: true });
  }

  #pathOf(sha256: string): string {
    return join(this.#options.dir, sha256, fileName);
  }

  async #use({ sha256, bytes }: CachedFile): Promise<boolean> {
    const there = await stat(this.#pathOf(sha256)).catch(() => undefined);
    if (there?.size !== bytes) return false;
    await this.keep([sha256]);
    return true;
  }

  async #fetch({ sha256, bytes, object }: CachedFile): Promise<void> {
    const { dir, storage } = this.#options;
    await mkdir(dir, { recursive: true });
    await this.#makeRoom(bytes);
    const folder = join(dir, `${coming}${randomUUID()}`);
    await mkdir(folder);
    try {
      const path = join(folder, fileName);
      await storage.downloadToFile(object, path, { sha256, signal: AbortSignal.timeout(fetchMs) });
      // Lanes have users of their own.
      await chmod(path, 0o644);
      await mkdir(join(dir, sha256), { recursive: true });
      // Of two processes that fetch it the last one's file is there then: they are equal.
      await rename(path, this.#pathOf(sha256));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { dir, bytes: most } = this.#options;
    const now = Date.now();
    const there: { name: string; size: number; usedAt: number }[] = [];
    for (const name of await readdir(dir)) {
      const about = await stat(name.startsWith(coming) ? join(dir, name) : this.#pathOf(name)).catch(
        () => undefined,
      );
      if (about === undefined) continue;
      if (!name.startsWith(coming)) there.push({ name, size: about.size, usedAt: about.mtimeMs });
      else if (now - about.mtimeMs > forsakenMs) await this.forget(name);
    }
    let total = bytes + there.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size, usedAt } of there.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total <= most || now - usedAt < inUseMs) return;
      await this.forget(name);
      total -= size;
    }
  }
}
