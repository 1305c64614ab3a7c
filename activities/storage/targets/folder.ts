/**
 * Folders that are held open, so that what is done in one cannot be led elsewhere: a name is looked up in the folder itself, whatever its path
 * has become meanwhile, and no link is followed. What openat(2) and its like are, by way of the folder's entry in /proc.
 */
import { constants } from 'node:fs';
import { access, type FileHandle, lstat, mkdir, open, readlink, realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { ProblemError } from '@darkroom/contract';
import { isPlainName, type Target } from './target.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, W_OK, X_OK } = constants;

export type DirectoryTarget = Extract<Target, { kind: 'directory' }>;

/** Of files: others may read them. A folder gets the rights of the one it is made in, so that who may remove files there may do so here. */
const fileMode = 0o644;
const folderMode = 0o3777;

/** A worker that may gives what it makes to whoever has the folder. */
const givesAway = process.geteuid?.() === 0;

export class Folder implements AsyncDisposable {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** The path by which a plain name of this folder is reached. */
  at(name: string): string {
    if (!isPlainName(name)) throw new TypeError(`${JSON.stringify(name)} is not the name of a file.`);
    return `${this.#self}/${name}`;
  }

  get #self(): string {
    return `/proc/self/fd/${this.#handle.fd}`;
  }

  /** Where it lies now. */
  path(): Promise<string> {
    return readlink(this.#self);
  }

  /** The path by which its names are listed. */
  get listed(): string {
    return `${this.#self}/.`;
  }

  /** A folder in it, held open; no link is followed. `make`: it is made where there is none. */
  async folder(name: string, { make = false }: { readonly make?: boolean } = {}): Promise<Folder> {
    const path = this.at(name);
    const opened = () => open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return new Folder(await opened());
    } catch (error) {
      if (!make || codeOf(error) !== 'ENOENT') throw error;
    }
    let isNew = true;
    await mkdir(path, 0o700).catch((error: unknown) => {
      // Somebody else has made it meanwhile.
      if (codeOf(error) !== 'EEXIST') throw error;
      isNew = false;
    });
    const made = new Folder(await opened());
    if (isNew) await made.#takeAfter(this);
    return made;
  }

  async #takeAfter(parent: Folder): Promise<void> {
    const { uid, nlink } = await this.#handle.stat();
    // Nothing but what was made here, should another one have got its name.
    if (uid !== process.geteuid?.() || nlink > 2) return;
    const { mode, uid: owner, gid } = await parent.#handle.stat();
    if (givesAway) await this.#handle.chown(owner, gid);
    await this.#handle.chmod(mode & folderMode);
  }

  /** Gives a file that was made in it the rights it is to have, whatever mask the process has. */
  async hand(file: FileHandle): Promise<void> {
    if (givesAway) {
      const { uid, gid } = await this.#handle.stat();
      await file.chown(uid, gid);
    }
    await file.chmod(fileMode);
  }

  async isLink(name: string): Promise<boolean> {
    const found = await lstat(this.at(name)).catch(() => undefined);
    return found?.isSymbolicLink() ?? false;
  }

  /** Throws where this process may not write in it. */
  requireWritable(): Promise<void> {
    return access(this.listed, W_OK | X_OK);
  }

  /** Has its names outlive a power cut. */
  sync(): Promise<void> {
    return this.#handle.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'is not a directory',
  EISDIR: 'is a directory, which no file takes the place of',
  ELOOP: 'is a symbolic link, and none is followed',
  EACCES: 'may not be written to by the platform',
  EPERM: 'may not be written to by the platform',
  EROFS: 'cannot be written to',
  EDQUOT: 'has no space left for its user',
  ENAMETOOLONG: 'has too long a name',
};

/** What the file system said of a target, as a problem of whoever named it; anything else as it is. */
export function ofTarget(error: unknown, where: string): unknown {
  const reason = reasons[codeOf(error) ?? ''];
  if (reason === undefined) return error;
  return new ProblemError('target_unusable', `${where} ${reason}.`, { cause: error });
}

/**
 * Opens the folder that a target is. Throws ProblemError `target_not_granted` where a link is on the way, or it lies in the platform's own
 * folder, `target_unusable` where it is no folder that can be written to. Undefined where `root` does not exist on this machine and
 * `elsewhere` is allowed: others may have it.
 */
export async function openTarget(target: DirectoryTarget): Promise<Folder>;
export async function openTarget(
  target: DirectoryTarget,
  options: { readonly elsewhere: true },
): Promise<Folder | undefined>;
export async function openTarget(
  { uri, root, below, home }: DirectoryTarget,
  { elsewhere = false }: { readonly elsewhere?: boolean } = {},
): Promise<Folder | undefined> {
  if (process.platform !== 'linux')
    throw new ProblemError('target_unusable', `${uri}: directories are delivered to on Linux alone.`);
  let folder: Folder;
  try {
    folder = new Folder(await open(root, O_RDONLY | O_DIRECTORY));
  } catch (error) {
    if (elsewhere && codeOf(error) === 'ENOENT') return undefined;
    throw ofTarget(error, root);
  }
  let where = root;
  try {
    for (const name of below) {
      where += `/${name}`;
      const next = await folder.folder(name).catch(async (error: unknown) => {
        throw (await folder.isLink(name))
          ? new ProblemError('target_not_granted', `${where} is a symbolic link, and none is followed there.`)
          : ofTarget(error, where);
      });
      await folder[Symbol.asyncDispose]();
      folder = next;
    }
    await folder.requireWritable().catch((error: unknown) => {
      throw ofTarget(error, where);
    });
    if (isWithin(await folder.path(), await realpath(home).catch(() => home)))
      throw new ProblemError('target_not_granted', `${where} lies in the platform’s own folder.`);
    return folder;
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

const isWithin = (path: string, folder: string): boolean => `${path}${sep}`.startsWith(`${folder}${sep}`);
