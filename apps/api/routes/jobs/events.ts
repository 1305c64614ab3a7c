/** A job's events as they happen. */
import { hasEnded, type Job, type JobState, jobEvent, jobState, ProblemError } from '@darkroom/contract';
import { type EventRow, eventsAfter, getJob, type JobWithStages, progressOf } from '@darkroom/records';
import { createRoute, z } from '@hono/zod-openapi';
import type { Api, ApiContext, ApiDeps } from '../../context.ts';
import { jobIdParam, problems, streamOf } from '../../openapi/describe.ts';
import { renewLink } from '../../signed/links.ts';
import {
  formatEvent,
  formatId,
  heartbeat,
  heartbeatMs,
  keyWatch,
  numberIn,
  reconnectAfter,
  retryMs,
  streamed,
} from '../../streaming/sse.ts';
import { jobDocument, loadJob } from './shared.ts';

const eventsPerRead = 200;

const eventsRoute = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}/events',
  operationId: 'followJob',
  tags: ['Jobs'],
  summary: 'Follow a job (server-sent events)',
  description: `Begins with \`snapshot\` (the job); then \`state\` (the job after a change of state) and \`progress\` (its progress) as they
happen, and \`deleted\` should it be deleted meanwhile: see JobEvent. Each event's id is the job's version: a client that sends it as \`Last-Event-ID\` gets what it
missed, or a new snapshot when that is no longer kept. A comment comes every 15 s. The stream ends after the end state; to
a client that has seen it, the answer is 204. A browser's EventSource takes the job's \`links.live\`: the ids it gets there renew the link, so that it may connect again within a
day of what it heard last, however old the link is; after that the answer is 401, and the page asks for the job again. A key that is revoked ends streams and links within a minute.`,
  security: [{ key: [] }, { link: [] }],
  request: {
    params: jobIdParam,
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,15}(\.\d{1,15}\.[\w-]{43})?$/, 'is the id of an event')
        .optional()
        .meta({ description: 'Id of the last event that was received.', example: '17' }),
    }),
  },
  responses: {
    200: {
      description: 'The events.',
      content: {
        'text/event-stream': streamOf(jobEvent, 'id: 3\nevent: snapshot\ndata: {"id":"…"}\n\n'),
      },
    },
    204: { description: 'The job has ended and there is nothing new.' },
    ...problems('not_found', 'validation_failed', 'too_many_open'),
  },
});

/** Registers the route. */
export function registerJobEvents(api: Api): void {
  api.openapi(eventsRoute, async (c) => {
    const { deps } = c.var;
    const found = await loadJob(c, c.req.valid('param').id, 'read');
    const header = c.req.valid('header')['last-event-id'];
    const seen = header === undefined ? undefined : numberIn(header);
    const { state, version } = found.job;
    if (seen === version && hasEnded(state as JobState)) return c.body(null, 204);
    return streamed(c, { contentType: 'text/event-stream', counts: 'events' }, (signal) =>
      follow(deps, found, { seen, signal, keyHolds: keyWatch(c), idOf: idsFor(c) }),
    );
  });
}

/** Ids of events: the job's version; to a follower by a link also what renews it. */
function idsFor(c: ApiContext): (version: number) => string {
  const { secret } = c.var.deps.config.links;
  const signature = c.req.header('authorization') === undefined ? c.req.query('signature') : undefined;
  if (signature === undefined) return String;
  return (version) => `${version}.${renewLink(secret, c.req.path, signature)}`;
}

interface Following {
  /** Version of the job that the client has seen. */
  readonly seen: number | undefined;
  readonly signal: AbortSignal;
  readonly keyHolds: () => Promise<boolean>;
  readonly idOf: (version: number) => string;
}

/** The stream's text. Survives a database that is away for a while: the client sees silence, then what it missed. */
async function* follow(
  deps: ApiDeps,
  first: JobWithStages,
  { seen: lastSeen, signal, keyHolds, idOf }: Following,
): AsyncGenerator<string, void, undefined> {
  const jobId = first.job.id;
  // Before the first read, so that nothing falls between.
  const following = deps.follower.follow(jobId);
  try {
    yield reconnectAfter;
    let seen = lastSeen;
    const renews = idOf(0) !== '0';
    while (!signal.aborted) {
      const news = await unlessAway(() => read(deps, jobId, seen, idOf));
      if (news !== undefined) {
        yield* news.events;
        seen = news.version;
        if (news.ended) return;
        if (news.more) continue;
      }
      // What woke this reading is forgotten: where it failed, nothing else would ask again before long.
      const patienceMs = news === undefined ? retryMs(deps) : heartbeatMs(deps);
      const changed = await following.changed(patienceMs, signal);
      if (!(await keyHolds())) return;
      if (changed || signal.aborted) continue;
      yield heartbeat;
      if (seen !== undefined && renews) yield formatId(idOf(seen));
    }
  } finally {
    following.close();
  }
}

interface News {
  readonly events: readonly string[];
  /** Version of the job that the client has seen after `events`. */
  readonly version: number;
  readonly ended: boolean;
  /** Whether there is more to read at once. */
  readonly more: boolean;
}

async function read(
  deps: ApiDeps,
  jobId: string,
  seen: number | undefined,
  idOf: Following['idOf'],
): Promise<News> {
  const { db } = deps.records;
  const found = await getJob(db, jobId);
  if (found === undefined) {
    const events = [formatEvent({ event: 'deleted', data: { id: jobId } })];
    return { events, version: seen ?? 0, ended: true, more: false };
  }
  const { version } = found.job;
  const ended = hasEnded(found.job.state as JobState);
  const missed = seen === undefined ? undefined : await missedEvents(deps, found, seen);
  if (missed === undefined) {
    const snapshot = formatEvent({ event: 'snapshot', id: idOf(version), data: jobDocument(deps, found) });
    return { events: [snapshot], version, ended, more: false };
  }
  const last = missed.at(-1)?.id ?? seen ?? 0;
  const more = missed.length === eventsPerRead;
  return { events: written(deps, found, missed, idOf), version: last, ended: ended && last >= version, more };
}

/**
 * What happened after `seen`, up to the version that the row was read at: a later event is told with the row that it belongs to, or the
 * end would be told as the state before it. Undefined when that cannot be told any more.
 */
async function missedEvents(
  deps: ApiDeps,
  { job: row }: JobWithStages,
  seen: number,
): Promise<EventRow[] | undefined> {
  if (seen > row.version) return undefined;
  const events = await eventsAfter(deps.records.db, row.id, seen, eventsPerRead);
  const [oldest] = events;
  const complete = oldest === undefined ? seen === row.version : oldest.id === seen + 1;
  return complete ? events.filter(({ id }) => id <= row.version) : undefined;
}

/** Of progress only the newest tells anything, and it is told as it is now. */
function written(
  deps: ApiDeps,
  found: JobWithStages,
  events: readonly EventRow[],
  idOf: Following['idOf'],
): string[] {
  const newest = events.findLast(({ type }) => type === 'progress');
  const lastState = events.findLast(({ type }) => type === 'state');
  return events.flatMap((event) => {
    const { type, data } = event;
    const id = idOf(event.id);
    if (type === 'progress') {
      return event === newest
        ? [formatEvent({ event: type, id, data: progressOf(found.stages, found.job) })]
        : [];
    }
    if (type === 'state') {
      const job = jobDocument(deps, found);
      return [formatEvent({ event: type, id, data: event === lastState ? job : { ...job, ...asOf(data) } })];
    }
    return [formatEvent({ event: type, id, data })];
  });
}

/** What an earlier state says of a job that has gone on since: its state then, and nothing of its later end. */
function asOf(data: Record<string, unknown>): Partial<Job> {
  const state = jobState.parse(data.state);
  if (hasEnded(state)) return { state };
  return { state, finishedAt: null, problem: null, result: null };
}

async function unlessAway<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'records_unavailable') return undefined;
    throw error;
  }
}
