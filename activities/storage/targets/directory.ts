/** A directory as a target: each file appears under its name when it is whole, and nothing is written through a link. */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, opendir, rename, unlink } from 'node:fs/promises';
import { failpoint } from '@darkroom/platform';
import { requireDigest } from '../read/read.ts';
import type { Storage } from '../storage.ts';
import { codeOf, type DirectoryTarget, type Folder, ofTarget, openTarget } from './folder.ts';
import type { DeliveredFile, Place, PlaceOptions } from './place.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

const chunkBytes = 256 * 1024;

export class DirectoryPlace implements Place {
  /** Streams from the store into as many files. */
  readonly atOnce = 6;
  readonly #storage: Pick<Storage, 'get'>;
  readonly #target: DirectoryTarget;
  readonly #root: Folder;
  readonly #options: PlaceOptions;
  /** What of a job's names files that are not whole yet; of each writer others. */
  readonly #parts: string;
  readonly #own = randomBytes(6).toString('hex');
  /** Folders looked through for what an attempt that died has left, by their path within the target. */
  readonly #tidied = new Map<string, Promise<void>>();
  /** Folders with names that may not outlive a power cut yet. */
  #unsettled = new Set<string>();

  private constructor(
    storage: Pick<Storage, 'get'>,
    target: DirectoryTarget,
    root: Folder,
    options: PlaceOptions,
  ) {
    this.#storage = storage;
    this.#target = target;
    this.#root = root;
    this.#options = options;
    this.#parts = `.darkroom-${options.jobId}-`;
  }

  /** Opens the directory. Throws as {@link openTarget}. */
  static async open(
    storage: Pick<Storage, 'get'>,
    target: DirectoryTarget,
    options: PlaceOptions,
  ): Promise<DirectoryPlace> {
    return new DirectoryPlace(storage, target, await openTarget(target), options);
  }

  uriOf(path: string): string {
    return this.#target.uri + path.split('/').map(encodeURIComponent).join('/');
  }

  async has({ path, bytes, sha256 }: DeliveredFile, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#in(path, { make: false }, async (folder, name) => {
        // Whatever lies there is not waited for, as a pipe would be.
        await using file = await open(folder.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        const found = await file.stat();
        return found.isFile() && found.size === bytes && (await digestOf(file, signal)) === sha256;
      });
    } catch (error) {
      // What cannot be read is another thing than what is to be there; whether it can be replaced shows.
      if (codeOf(error) !== undefined) return false;
      throw error;
    }
  }

  async put(file: DeliveredFile, signal: AbortSignal): Promise<void> {
    try {
      await this.#in(file.path, { make: true }, async (folder, name, within) => {
        await this.#tidy(folder, within);
        await this.#write(folder, name, file, signal);
        this.#unsettled.add(within);
      });
    } catch (error) {
      throw ofTarget(error, this.uriOf(file.path));
    }
  }

  async #write(
    folder: Folder,
    name: string,
    { uri, range, sha256 }: DeliveredFile,
    signal: AbortSignal,
  ): Promise<void> {
    const part = folder.at(`${this.#parts}${this.#own}-${randomBytes(6).toString('hex')}.part`);
    const { stream } = await this.#storage.get(uri, { range, signal });
    try {
      await using file = await open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      const hash = createHash('sha256');
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        await writeAll(file, chunk);
        this.#options.moved();
      }
      requireDigest(uri, sha256, hash.digest('hex'));
      await folder.hand(file);
      await file.sync();
      await this.#options.assertHeld();
      await failpoint('deliver.before-rename', name);
      signal.throwIfAborted();
      await rename(part, folder.at(name));
    } catch (error) {
      stream.destroy();
      await unlink(part).catch(() => {});
      throw error;
    }
  }

  async settle(): Promise<void> {
    const folders = this.#unsettled;
    this.#unsettled = new Set();
    for (const within of folders)
      await this.#in(`${within}.`, { make: false }, (folder) => folder.sync()).catch((error: unknown) => {
        // A folder that was taken away since has no names to keep.
        if (codeOf(error) === undefined) throw error;
      });
  }

  /** Removes what an attempt at this job that died has left in a folder: once, before it is written in. */
  #tidy(folder: Folder, within: string): Promise<void> {
    const known = this.#tidied.get(within);
    if (known !== undefined) return known;
    const tidying = this.#removeParts(folder);
    this.#tidied.set(within, tidying);
    tidying.catch(() => this.#tidied.delete(within));
    return tidying;
  }

  async #removeParts(folder: Folder): Promise<void> {
    for await (const { name } of await opendir(folder.listed, { bufferSize: 256 })) {
      if (!name.startsWith(this.#parts) || name.startsWith(this.#parts + this.#own)) continue;
      await unlink(folder.at(name)).catch(() => {});
    }
  }

  /** Does something in the folder of a file, which is held open meanwhile; `within` is its path in the target. */
  async #in<R>(
    path: string,
    { make }: { readonly make: boolean },
    work: (folder: Folder, name: string, within: string) => Promise<R>,
  ): Promise<R> {
    const names = path.split('/');
    const name = names.pop()!;
    await using held = new AsyncDisposableStack();
    let folder = this.#root;
    for (const each of names) folder = held.use(await folder.folder(each, { make }));
    return await work(folder, name, names.map((each) => `${each}/`).join(''));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root[Symbol.asyncDispose]();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written);
    written += bytesWritten;
  }
}

async function digestOf(file: FileHandle, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
  }
}
