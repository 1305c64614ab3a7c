/** The archive of a job's results as an answer: whole, or the range that is asked for. */
import { ProblemError } from '@darkroom/contract';
import type { FilePlace, JobRow } from '@darkroom/records';
import { contentDisposition } from '@darkroom/storage';
import { type Layout, layoutOf, segmentsOf } from '../../archive/layout.ts';
import { rangeOf } from '../../archive/range.ts';
import { chunksOf } from '../../archive/read.ts';
import type { ApiContext, ApiDeps } from '../../context.ts';
import { streamed } from '../../streaming/sse.ts';
import { resultFiles } from './files.ts';

/** Answers with archives. Throws `range_not_satisfiable`, `too_many_open`. */
export function createArchives(): (c: ApiContext, job: JobRow) => Promise<Response> {
  const layouts = rememberedLayouts();
  return async (c, job) => answer(c, job, await layouts(c.var.deps, job));
}

/** Layouts of the archives that were asked for last: a download that goes on does not read the whole ledger again. */
function rememberedLayouts() {
  const most = 100;
  const remembered = new Map<string, Promise<Layout<FilePlace>>>();
  return async (deps: ApiDeps, job: JobRow): Promise<Layout<FilePlace>> => {
    const key = `${job.id} ${job.run} ${job.finishedAt?.getTime()}`;
    const layout = remembered.get(key) ?? layoutOf(resultFiles(deps, job), job.finishedAt ?? job.createdAt);
    remembered.delete(key);
    remembered.set(key, layout);
    if (remembered.size > most) remembered.delete(remembered.keys().next().value!);
    layout.catch(() => remembered.delete(key));
    return layout;
  };
}

function answer(c: ApiContext, job: JobRow, layout: Layout<FilePlace>): Response {
  const { deps } = c.var;
  const { size } = layout;
  const etag = `"${layout.digest}"`;
  // Of a HEAD, ranges mean nothing (RFC 9110, section 14.2).
  const asked = c.req.method === 'GET' ? c.req.header('range') : undefined;
  const range = rangeOf(asked, c.req.header('if-range'), { size, etag });
  if (range === 'unsatisfiable') {
    c.header('content-range', `bytes */${size}`);
    throw new ProblemError('range_not_satisfiable', `The archive has ${size} bytes.`);
  }
  const { start, end } = range ?? { start: 0, end: size };
  return streamed(
    c,
    {
      contentType: 'application/zip',
      counts: 'archives',
      status: range === undefined ? 200 : 206,
      headers: {
        'content-length': String(end - start),
        'accept-ranges': 'bytes',
        etag,
        'last-modified': (job.finishedAt ?? job.createdAt).toUTCString(),
        'content-disposition': contentDisposition(`${job.id}.zip`),
        ...(range !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
      },
    },
    (signal) => chunksOf(segmentsOf(layout, resultFiles(deps, job), start, end), deps.storage, signal),
  );
}
