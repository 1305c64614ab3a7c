/** The queue: what runs and waits, one's own in full and others' as counts. */
import {
  type JobQueueOverview,
  jobQueueOverview,
  mostQueuedJobs,
  type QueueCount,
  type QueuedJob,
} from '@darkroom/contract';
import type { StandingJob } from '@darkroom/dispatch';
import type { OpenJobs } from '@darkroom/records';
import { createRoute } from '@hono/zod-openapi';
import { seesEverything } from '../../authorize.ts';
import type { Api, ApiDeps } from '../../context.ts';
import { problems } from '../../openapi/describe.ts';
import { exampleJob } from '../../openapi/examples.ts';
import { jobDocument } from './shared.ts';

/** Entries of the counts by owner at most. */
const mostOwners = 1000;

const example: JobQueueOverview = {
  jobs: [
    {
      ...{ id: exampleJob.id, kind: 'photo', state: 'queued', waiting: null, priority: 3 },
      size: { photos: 190, bytes: 712_000_000 },
      ...(exampleJob.estimate && { estimate: exampleJob.estimate }),
      ...{ createdAt: '2026-03-01T09:30:00.900Z', startedAt: null, percent: 0 },
      ...{ place: 2, ahead: { jobs: 3, seconds: 6 }, estimatedStart: '2026-03-01T09:30:04.000Z' },
      estimatedEnd: '2026-03-01T09:30:25.400Z',
    },
  ],
  own: [{ kind: 'photo', state: 'queued', jobs: 1 }],
  others: [
    { kind: 'photo', state: 'queued', jobs: 12 },
    { kind: 'video', state: 'running', jobs: 2 },
  ],
};

const queueRoute = createRoute({
  method: 'get',
  path: '/v1/queue',
  operationId: 'getQueue',
  tags: ['Jobs'],
  summary: 'What runs and waits',
  description:
    "One's own jobs in full, everybody else's as counts by kind and state; operators see the counts by owner, too. Places, starts and ends are estimates.",
  responses: {
    200: {
      description: 'The queue.',
      content: { 'application/json': { schema: jobQueueOverview, example } },
    },
    ...problems(),
  },
});

/** Registers the route. */
export function registerQueue(api: Api): void {
  api.openapi(queueRoute, async (c) => {
    const { deps, caller } = c.var;
    const { queue } = deps.dispatch;
    const [jobs, open] = await Promise.all([queue.jobsOf(caller.owner, mostQueuedJobs), queue.counts()]);
    const isOwn = ({ owner }: OpenJobs): boolean => owner === caller.owner;
    const overview: JobQueueOverview = {
      jobs: jobs.map((job) => queuedDocument(deps, job)),
      own: counted(open.filter(isOwn), ofKind),
      others: counted(
        open.filter((each) => !isOwn(each)),
        ofKind,
      ),
      ...(seesEverything(caller) && {
        owners: counted(open, (each) => ({ owner: each.owner, ...ofKind(each) })).slice(0, mostOwners),
      }),
    };
    return c.json(overview, 200);
  });
}

const ofKind = ({ kind, state }: OpenJobs): Omit<QueueCount, 'jobs'> => ({ kind, state });

/** How many jobs there are of each of what `by` tells apart, the most first. */
function counted<Of extends object>(
  open: readonly OpenJobs[],
  by: (open: OpenJobs) => Of,
): (Of & { jobs: number })[] {
  const counts = new Map<string, Of & { jobs: number }>();
  for (const each of open) {
    const of = by(each);
    const name = JSON.stringify(of);
    counts.set(name, { ...of, jobs: (counts.get(name)?.jobs ?? 0) + each.jobs });
  }
  return [...counts.values()].sort((a, b) => b.jobs - a.jobs);
}

function queuedDocument(deps: ApiDeps, found: StandingJob): QueuedJob {
  const { progress, ...document } = jobDocument(deps, found, found.queue);
  const { id, kind, state, waiting, priority, size, estimate, estimatedEnd, createdAt, startedAt } = document;
  return {
    ...{ id, kind, state, waiting, priority, size, ...(estimate && { estimate }) },
    ...{ createdAt, startedAt, percent: progress.percent, ...found.queue, estimatedEnd },
  };
}
