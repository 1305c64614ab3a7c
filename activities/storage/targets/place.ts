/** An open target: what is there already, and how a file gets there. */
import type { Storage } from '../storage.ts';
import { DirectoryPlace } from './directory.ts';
import { openTarget } from './folder.ts';
import { PrefixPlace, requirePrefix } from './prefix.ts';
import { grantedTarget, isPlainName, type Target, type TargetOwner } from './target.ts';

/** A file of the platform's store, and where it is to lie in the target. */
export interface DeliveredFile {
  /** Within the target; plain names with slashes between them. */
  readonly path: string;
  readonly uri: string;
  /** Bytes of the object that are the file; left out, all of them. */
  readonly range?: { readonly start: number; readonly length: number } | undefined;
  readonly bytes: number;
  /** In hex. */
  readonly sha256: string;
  readonly contentType: string;
}

export interface PlaceOptions {
  readonly jobId: string;
  /** The fence: asked right before a file is to be seen; what it throws ends the delivery of it. */
  readonly assertHeld: () => Promise<void>;
  /** Told as a large file gets on. */
  readonly moved: () => void;
  readonly signal: AbortSignal;
}

export interface Place extends AsyncDisposable {
  /** Files that may be on their way at a time. */
  readonly atOnce: number;
  uriOf(path: string): string;
  /** Whether the file is there, of the same size and SHA-256. */
  has(file: DeliveredFile, signal: AbortSignal): Promise<boolean>;
  /**
   * Writes the file, over one that is there; it is seen when it is whole. Throws ProblemError `target_unusable` where the target does not take
   * it, StorageError where the store does not give it.
   */
  put(file: DeliveredFile, signal: AbortSignal): Promise<void>;
  /** What was put before is kept, whatever happens to the machine. */
  settle(): Promise<void>;
}

/** Opens a target for writing. Throws ProblemError `target_not_granted`, `target_unusable`, and StorageError. */
export function openPlace(storage: Storage, target: Target, options: PlaceOptions): Promise<Place> {
  return target.kind === 'prefix'
    ? PrefixPlace.open(storage, target.uri, options)
    : DirectoryPlace.open(storage, target, options);
}

/** Throws TypeError for a path that leads out of its target, or to nothing. */
export function requirePlainPath(path: string): void {
  if (!path.split('/').every(isPlainName))
    throw new TypeError(`${JSON.stringify(path)} is no path of a file.`);
}

/**
 * Refuses a target that `who` may not deliver to, or that shows here that it cannot be written to: for the request, before there is any work.
 * A directory that this machine does not have may be one that workers have; they ask again. Throws ProblemError `validation_failed`,
 * `target_not_granted`, `target_unusable`, and StorageError where the store is away.
 */
export async function requireTarget(
  uri: string,
  who: TargetOwner,
  config: Parameters<typeof grantedTarget>[2],
  storage: Pick<Storage, 'list'>,
): Promise<void> {
  const target = grantedTarget(uri, who, config);
  if (target.kind === 'prefix') return await requirePrefix(storage, target.uri);
  await using _folder = await openTarget(target, { elsewhere: true });
}
