/**
 * Small objects, put without the SDK's middleware: that takes more of the processor than everything else about a kilobyte. Whatever is not
 * plainly answered is left to the SDK, which knows redirects, clocks that are wrong, retries, and what errors mean.
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { type Connection, tracedCall } from '../connection/client.ts';
import { type SignedRequest, signedPut } from '../connection/sign.ts';
import { bareEtag } from '../read/read.ts';
import { crc32Of, type Target } from './multipart.ts';

/** Bytes of an object that is worth it. */
const smallBytes = 1024 ** 2;
/** Refusals one after another, of what the SDK then put, after which a bucket is left to it. */
const mostRefusals = 3;

/** Refusals in a row, by bucket. */
const refusals = new WeakMap<Connection, Map<string, number>>();

function refusalsOf(s3: Connection): Map<string, number> {
  const known = refusals.get(s3) ?? new Map<string, number>();
  refusals.set(s3, known);
  return known;
}

/**
 * Puts a small object; returns its ETag. Otherwise asks `bySdk` to put it: the object is written twice then, with the same
 * bytes. Throws the signal's reason, and what `bySdk` throws.
 */
export async function putDirectly(
  s3: Connection,
  at: Target,
  { bytes, sha256, contentType }: { bytes: Buffer; sha256: string; contentType: string },
  signal: AbortSignal | undefined,
  bySdk: () => Promise<string>,
): Promise<string> {
  signal?.throwIfAborted();
  const refused = refusalsOf(s3);
  const before = refused.get(at.bucket) ?? 0;
  if (bytes.length > smallBytes || before >= mostRefusals) return await bySdk();
  const answer = await tracedCall('PutObject', at, async () => {
    const headers = {
      'content-length': String(bytes.length),
      'content-type': contentType,
      'x-amz-checksum-crc32': crc32Of(bytes),
    };
    return await send(s3, await signedPut(s3, at, headers, sha256), bytes, signal);
  }).catch(() => undefined);
  signal?.throwIfAborted();
  if (answer?.status === 200 && answer.etag !== undefined) {
    if (before > 0) refused.delete(at.bucket);
    return bareEtag(answer.etag);
  }
  const etag = await bySdk();
  if (answer !== undefined && answer.status < 500) refused.set(at.bucket, before + 1);
  return etag;
}

/**
 * Sends the request over one of the SDK's sockets; nothing of an answer but its head is wanted. With the SDK's patience for a PUT: a store
 * that is slow is not to get everything twice. An answer that trickles in ends with it, too.
 */
function send(
  s3: Connection,
  { place, path, headers }: SignedRequest,
  bytes: Buffer,
  signal: AbortSignal | undefined,
): Promise<{ status: number; etag: string | undefined }> {
  const secure = place.protocol === 'https:';
  const request = secure ? httpsRequest : httpRequest;
  const agent = secure ? s3.agents.https : s3.agents.http;
  return new Promise((resolve, reject) => {
    const sent = request({ ...urlToHttpOptions(place), path, method: 'PUT', headers, agent });
    const abort = (): void => void sent.destroy();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    const endAfter = (ms: number, what: string): NodeJS.Timeout =>
      setTimeout(() => sent.destroy(new Error(`${what} within ${ms} ms.`)), ms);
    const late = endAfter(s3.transferTimeoutMs, 'The store did not answer');
    let unconnected: NodeJS.Timeout | undefined;
    // From here on, not while others have all the sockets: those are slow, not out of reach.
    sent.once('socket', (socket) => {
      if (!socket.connecting || sent.destroyed) return;
      unconnected = endAfter(s3.connectTimeoutMs, 'No connection to the store stood');
      socket.once('connect', () => clearTimeout(unconnected));
    });
    sent.once('response', (answer) => {
      const { statusCode = 0, headers } = answer;
      answer.once('end', () => resolve({ status: statusCode, etag: headers.etag }));
      answer.once('error', reject);
      answer.resume();
    });
    // Not once: a socket may fail twice, and an error that nobody listens for ends the process.
    sent.on('error', reject);
    sent.once('close', () => {
      clearTimeout(late);
      clearTimeout(unconnected);
      signal?.removeEventListener('abort', abort);
      reject(new Error('The connection ended before the answer.'));
    });
    sent.end(bytes);
  });
}
