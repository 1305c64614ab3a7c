import { createHash } from 'node:crypto';

/** How long a source may take until the first byte of what is wanted, all its addresses together. */
export const reachMilliseconds = 5_000;
const stallMilliseconds = 15_000;

/**
 * @typedef {object} Answer
 * @property {Buffer} body
 * @property {string} type the content type
 * @property {string} url after redirects
 */

/**
 * Gets a file into memory. Gives up where nothing has come by `reachBy` (a time as Date.now() tells it), or where the flow
 * stops for 15 s. A user and password in the address are sent as Basic authorization.
 * @param {string} address
 * @param {{ reachBy: number, accept?: string, progress?: (bytes: number) => void }} options
 * @returns {Promise<Answer>}
 */
export async function get(address, { reachBy, accept = '*/*', progress = () => {} }) {
  const url = new URL(address);
  /** @type {Record<string, string>} */
  const headers = { accept };
  if (url.username) {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    url.username = '';
    url.password = '';
  }
  const giveUp = new AbortController();
  const stop = (/** @type {string} */ why) => giveUp.abort(new Error(`${url.host} ${why}`));
  let timer = setTimeout(stop, Math.max(0, reachBy - Date.now()), 'did not answer in time');
  try {
    const response = await fetch(url, { headers, signal: giveUp.signal });
    if (!response.ok || !response.body) throw new Error(`${url.host} answered ${response.status}`);
    const chunks = [];
    let bytes = 0;
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = setTimeout(stop, stallMilliseconds, 'stopped sending');
      chunks.push(chunk);
      bytes += chunk.byteLength;
      progress(bytes);
    }
    return {
      body: Buffer.concat(chunks),
      type: response.headers.get('content-type') ?? '',
      url: response.url,
    };
  } catch (error) {
    if (giveUp.signal.aborted) throw giveUp.signal.reason;
    // fetch says "fetch failed" and hides why.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
    if (cause) throw new Error(`${url.host} cannot be reached (${cause.message || cause.name})`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {Buffer} body
 * @param {string} sha256 as hex
 * @throws {Error} when the bytes are others than those that were pinned
 */
export function requireDigest(body, sha256) {
  const found = createHash('sha256').update(body).digest('hex');
  if (found !== sha256) throw new Error(`its SHA-256 is ${found}, not the pinned ${sha256}`);
}
