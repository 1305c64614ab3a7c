/** A file of a job that lies within another object, as an answer: a link into the store gives objects whole. */
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { type ManifestFile, ProblemError } from '@darkroom/contract';
import { type FilePlace, fileAt, type JobRow } from '@darkroom/records';
import { contentDisposition } from '@darkroom/storage';
import { isKnown, rangeOf } from '../../archive/range.ts';
import type { ApiContext } from '../../context.ts';

/** Where the API gives the file of an item; without the link's signature. */
export const packedPath = (jobId: string, place: FilePlace): string =>
  `/v1/jobs/${jobId}/results/files/${place.map((part) => encodeURIComponent(part)).join('/')}`;

/** Answers with a file, or with the range of it that is asked for. Throws `not_found`, `range_not_satisfiable`. */
export async function answerPacked(
  c: ApiContext,
  job: JobRow,
  { stage, ordinal, number }: { readonly stage: string; readonly ordinal: number; readonly number: number },
): Promise<Response> {
  const { storage, records } = c.var.deps;
  const file = await fileAt(records.db, job.id, [stage, ordinal, number]);
  if (file?.range === undefined) throw new ProblemError('not_found', 'There is no such file.');
  const { bytes: size, sha256 } = file;
  const etag = `"${sha256}"`;
  const shared = { etag, 'accept-ranges': 'bytes', 'cache-control': 'private, no-cache' };
  if (isKnown(c.req.header('if-none-match'), etag))
    return new Response(null, { status: 304, headers: shared });
  // Of a HEAD, ranges mean nothing (RFC 9110, section 14.2).
  const isHead = c.req.method === 'HEAD';
  const part = rangeOf(isHead ? undefined : c.req.header('range'), c.req.header('if-range'), { size, etag });
  if (part === 'unsatisfiable') {
    c.header('content-range', `bytes */${size}`);
    throw new ProblemError('range_not_satisfiable', `The file has ${size} bytes.`);
  }
  const { start, end } = part ?? { start: 0, end: size };
  const headers = {
    ...shared,
    'content-type': file.contentType,
    'content-length': String(end - start),
    'content-disposition': contentDisposition(nameOf(file)),
    'last-modified': (job.finishedAt ?? job.createdAt).toUTCString(),
    ...(part !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
  };
  if (isHead) return new Response(null, { headers });
  const range = { start: file.range.start + start, length: end - start };
  const { stream } = await storage.get(file.uri, { range, signal: c.req.raw.signal });
  const body = Readable.toWeb(stream) as NodeStream<Uint8Array> as ReadableStream<Uint8Array>;
  return new Response(body, { status: part === undefined ? 200 : 206, headers });
}

const nameOf = ({ path }: ManifestFile): string => path.split('/').at(-1)!;
