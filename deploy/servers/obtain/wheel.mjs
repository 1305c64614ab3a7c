import { get, reachMilliseconds, requireDigest } from './download.mjs';
import { locate, packageIndex } from './package-index.mjs';

/**
 * A file of a Python project that was looked into.
 * @typedef {{ readonly project: string, readonly name: string, readonly sha256: string }} PinnedWheel
 */

/**
 * Gets a wheel from the package index that `pip` uses on this machine.
 * @param {PinnedWheel} wheel
 * @param {NodeJS.ProcessEnv} env
 * @param {(text: string) => void} show is told how much has come
 * @returns {Promise<{ body: Buffer, host: string }>} its bytes, and who sent them
 * @throws {Error} when there is no index, when it does not answer within some seconds, or has other bytes than those that were pinned
 */
export async function getWheel({ project, name, sha256 }, env, show) {
  const index = await packageIndex(env);
  // From here on the network is waited for.
  const reachBy = Date.now() + reachMilliseconds;
  const address = await locate(index, project, name, reachBy);
  const { body } = await get(address, { reachBy, progress: megabytes(show) });
  requireDigest(body, sha256);
  return { body, host: new URL(address).host };
}

/**
 * @param {(text: string) => void} show
 * @returns {(bytes: number) => void}
 */
export function megabytes(show) {
  return (bytes) => show(`${Math.round(bytes / 1024 / 1024)} MB`);
}
