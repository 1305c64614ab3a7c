/** A job's log, at once or as it grows. */
import { hasEnded, type JobState, ProblemError } from '@darkroom/contract';
import { getJob, type LogRow, readLog } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api, ApiDeps } from '../../context.ts';
import { jobIdParam, plainText, problems, streamOf } from '../../openapi/describe.ts';
import { nextPageToken, openPage, pageLimit, pageQuery, sealPage } from '../../signed/pages.ts';
import {
  formatEvent,
  heartbeat,
  heartbeatMs,
  keyWatch,
  reconnectAfter,
  retryMs,
  streamed,
} from '../../streaming/sse.ts';
import { loadJob } from './shared.ts';

/** A line may have 8 KB; a client that does not read holds one read. */
const linesPerRead = 100;

const logLine = z
  .object({
    id: z.int(),
    at: z.iso.datetime(),
    run: z.int(),
    stage: z.string().nullable(),
    level: z.string(),
    attempt: z.int().nullable(),
    line: z.string(),
    traceId: z.string().nullable(),
  })
  .meta({ id: 'LogLine' });
type LogLine = z.infer<typeof logLine>;
const logEvent = z
  .object({ id: z.string(), event: z.literal('line'), data: logLine })
  .meta({ id: 'LogEvent', description: 'A line of the log in an event stream.' });

const logRoute = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}/log',
  operationId: 'readJobLog',
  tags: ['Jobs'],
  summary: 'The log of a job',
  description:
    'With `follow=true` the lines come as they are written until the job ends: as server-sent events where `Accept` asks for text/event-stream (`Last-Event-ID` goes on after a line), else as one JSON object a line.',
  request: {
    params: jobIdParam,
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,15}$/, 'is the id of a line')
        .optional(),
    }),
    query: z.strictObject({
      stage: plainText(100).optional().meta({ description: 'Only lines of this stage.' }),
      follow: z.enum(['true', 'false']).default('false'),
      ...pageQuery,
    }),
  },
  responses: {
    200: {
      description: 'Lines, oldest first.',
      content: {
        'application/json': {
          schema: z.object({ lines: z.array(logLine), nextPageToken }).meta({ id: 'LogPage' }),
        },
        'text/event-stream': streamOf(logEvent, 'id: 7\nevent: line\ndata: {"id":7,"line":"…"}\n\n'),
        'application/x-ndjson': streamOf(logLine, '{"id":7,"line":"…"}\n'),
      },
    },
    ...problems('not_found', 'invalid_page_token', 'validation_failed', 'too_many_open'),
  },
});

/** Registers the route. */
export function registerJobLog(api: Api): void {
  api.openapi(logRoute, async (c) => {
    const { deps, caller } = c.var;
    const { id } = c.req.valid('param');
    await loadJob(c, id, 'read');
    const { stage, follow, pageSize, pageToken } = c.req.valid('query');
    const { secret } = deps.config.links;
    const scope = ['log', caller.owner, id, stage];
    const after = openPage(secret, scope, pageToken, z.int());
    if (follow === 'true') {
      const last = c.req.valid('header')['last-event-id'];
      const asEvents = (c.req.header('accept') ?? '').includes('text/event-stream');
      const from = { after: last === undefined ? after : Number(last), stage };
      return streamed(
        c,
        { contentType: asEvents ? 'text/event-stream' : 'application/x-ndjson', counts: 'events' },
        (signal) =>
          followLog(deps, id, from, asEvents ? eventForm : lineForm, { signal, keyHolds: keyWatch(c) }),
      );
    }
    const limit = pageLimit(pageSize, deps.config.limits.pageSize);
    const rows = await readLog(deps.records.db, id, { after, stage, limit: limit + 1 });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const next = rows.length > limit && last !== undefined ? sealPage(secret, scope, last.id) : null;
    return c.json({ lines: page.map(toLine), nextPageToken: next }, 200);
  });
}

interface Form {
  readonly start: string;
  readonly silence: string;
  readonly write: (line: LogLine) => string;
}
const eventForm: Form = {
  start: reconnectAfter,
  silence: heartbeat,
  write: (line) => formatEvent({ event: 'line', id: line.id, data: line }),
};
const lineForm: Form = { start: '', silence: '\n', write: (line) => `${JSON.stringify(line)}\n` };

async function* followLog(
  deps: ApiDeps,
  id: string,
  from: { after: number | undefined; stage: string | undefined },
  form: Form,
  { signal, keyHolds }: { readonly signal: AbortSignal; readonly keyHolds: () => Promise<boolean> },
): AsyncGenerator<string, void, undefined> {
  const following = deps.follower.follow(id);
  try {
    if (form.start !== '') yield form.start;
    let { after } = from;
    while (!signal.aborted) {
      const read = await readMore(deps, id, { ...from, after });
      for (const row of read?.rows ?? []) {
        yield form.write(toLine(row));
        after = row.id;
      }
      if (read?.rows.length === linesPerRead) continue;
      if (read?.ended) return;
      const patienceMs = read === undefined ? retryMs(deps) : heartbeatMs(deps);
      const changed = await following.changed(patienceMs, signal);
      if (!(await keyHolds())) return;
      if (!changed && !signal.aborted) yield form.silence;
    }
  } finally {
    following.close();
  }
}

/** The state first: what a job that has ended wrote is all there. Undefined while the records are away. */
async function readMore(
  deps: ApiDeps,
  id: string,
  from: { after: number | undefined; stage: string | undefined },
) {
  const { db } = deps.records;
  try {
    const found = await getJob(db, id);
    const rows = await readLog(db, id, { ...from, limit: linesPerRead });
    return { rows, ended: found === undefined || hasEnded(found.job.state as JobState) };
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'records_unavailable') return undefined;
    throw error;
  }
}

function toLine({ id, at, run, stage, level, attempt, line, traceId }: LogRow): LogLine {
  return { id, at: at.toISOString(), run, stage, level, attempt, line, traceId };
}
