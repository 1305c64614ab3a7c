import { statfs } from 'node:fs/promises';
import { SetupError } from './setup-error.mjs';

const leastFreeBytes = 500 * 1024 * 1024;

/**
 * @param {string} folder
 * @param {number} [leastBytes] 500 MB unless told
 * @throws {SetupError} when the disk that holds `folder` has less free.
 */
export async function requireRoom(folder, leastBytes = leastFreeBytes) {
  const disk = await statfs(folder);
  const free = disk.bavail * disk.bsize;
  if (free < leastBytes) throw new SetupError(fullDiskMessage(folder, free, leastBytes));
}

/**
 * The one line for a full disk. Sizes in bytes.
 * @param {string} folder
 * @param {number} free
 * @param {number} least
 */
export function fullDiskMessage(folder, free, least) {
  const megabytes = (/** @type {number} */ bytes) => Math.floor(bytes / 1024 / 1024);
  return (
    `Only ${megabytes(free)} MB are free on the disk of ${folder}; at least ${megabytes(least)} MB are needed. ` +
    'Free some space, or set DARKROOM_HOME to a folder on a larger disk.'
  );
}
