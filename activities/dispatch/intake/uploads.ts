/** What becomes of uploads: one becomes the input of one job; at its end the row is decided first, under its lock, and only then its objects go. */
import { ProblemError } from '@darkroom/contract';
import {
  assertUploadOver,
  type Db,
  getUpload,
  markUploadEmptied,
  takeBackUpload,
  type UploadRow,
  useUpload,
} from '@darkroom/records';
import { StorageError } from '@darkroom/storage';
import type { DispatchDeps } from '../index.ts';
import type { Accepted } from './submit.ts';

type UploadDeps = Pick<DispatchDeps, 'records' | 'storage'>;

/** An owner's complete upload, of which a job can be made. Throws `not_found`, `upload_incomplete`, `upload_used`. */
export async function completeUpload(
  { records: { db } }: Pick<UploadDeps, 'records'>,
  owner: string,
  id: string,
): Promise<UploadRow> {
  const found = await getUpload(db, id);
  if (found?.owner !== owner || found.state !== 'complete') throw unusable(id, found, owner);
  return found;
}

/**
 * Makes a job of an owner's complete upload by `make`, which copies its object to the job's inputs, so that removing the job removes it and
 * nothing else does, and calls `use` in the transaction that makes it a job: that succeeds for one request alone. Throws `not_found`,
 * `upload_incomplete`, `upload_used`.
 */
export async function spendUpload(
  deps: UploadDeps & Pick<DispatchDeps, 'logger'>,
  owner: string,
  id: string,
  make: (upload: UploadRow, use: (tx: Db) => Promise<void>) => Promise<Accepted>,
): Promise<Accepted> {
  const { db } = deps.records;
  const found = await completeUpload(deps, owner, id);
  const use = async (tx: Db): Promise<void> => {
    if (!(await useUpload(tx, id))) throw unusable(id, await getUpload(tx, id), owner);
  };
  try {
    const accepted = await make(found, use);
    await emptyUpload(deps, found).catch((error: unknown) => {
      deps.logger.warn({ err: error, upload: id }, 'the object of a used upload is left to the sweep');
    });
    return accepted;
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'source_not_found')) throw error;
    // Another request has used the upload up, or removed it, since its row was read.
    const now = await getUpload(db, id);
    throw now?.state === 'complete' ? error : unusable(id, now, owner);
  }
}

/** Why no job can be made of an upload that is not complete. */
function unusable(id: string, found: UploadRow | undefined, owner: string): ProblemError {
  if (found?.owner !== owner || found.state === 'removed')
    return new ProblemError('not_found', `There is no upload ${id}.`);
  if (found.state === 'used')
    return new ProblemError('upload_used', `The upload ${id} was taken by another request.`);
  return new ProblemError('upload_incomplete', `The upload ${id} is ${found.state}.`);
}

/** Removes an upload that no job has used, and what is left of one that has. Repeating it is harmless. */
export async function removeUpload(deps: UploadDeps, id: string, signal?: AbortSignal): Promise<void> {
  const row = await takeBackUpload(deps.records.db, id);
  if (row !== undefined && row.emptiedAt === null) await emptyUpload(deps, row, signal);
}

/** Removes the object and the parts of a used or removed upload. Throws Fenced while a job may still use it; StorageError. */
export async function emptyUpload(
  { records: { db }, storage }: UploadDeps,
  { id, key }: Pick<UploadRow, 'id' | 'key'>,
  signal?: AbortSignal,
): Promise<void> {
  const assertHeld = () => assertUploadOver(db, id);
  await assertHeld();
  await storage.removePrefix(key.slice(0, key.lastIndexOf('/') + 1), { assertHeld, signal });
  await markUploadEmptied(db, id);
}
