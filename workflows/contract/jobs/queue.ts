/** What runs and waits, and where a job stands in it. Of what is to come all is an estimate. */
import { z } from 'zod';
import { job, jobQueue, jobState } from './job.ts';

/** Jobs of their own that the queue shows somebody in full. */
export const mostQueuedJobs = 100;

export const queuedJob = job
  .pick({
    id: true,
    kind: true,
    state: true,
    waiting: true,
    priority: true,
    size: true,
    estimate: true,
    estimatedEnd: true,
    createdAt: true,
    startedAt: true,
  })
  .extend({ ...jobQueue.shape, percent: job.shape.progress.shape.percent })
  .meta({ id: 'QueuedJob', description: 'A job that waits or runs.' });
export type QueuedJob = z.infer<typeof queuedJob>;

const openState = jobState.extract(['queued', 'running']);

export const queueCount = z
  .object({ kind: z.string(), state: openState, jobs: z.int().min(1) })
  .meta({ id: 'QueueCount' });
export type QueueCount = z.infer<typeof queueCount>;

export const queueOwner = queueCount.extend({ owner: z.string() }).meta({ id: 'QueueOwner' });
export type QueueOwner = z.infer<typeof queueOwner>;

export const jobQueueOverview = z
  .object({
    jobs: z.array(queuedJob).meta({
      description: `One's own, ${mostQueuedJobs} at most: those that run, then those that wait, by their places. More are among \`own\` alone, and in \`GET /v1/jobs?state=queued\`.`,
    }),
    own: z.array(queueCount).meta({ description: "One's own jobs, counted by kind and state." }),
    others: z.array(queueCount).meta({ description: "Everybody else's, counted alike." }),
    owners: z
      .array(queueOwner)
      .optional()
      .meta({ description: "For operators: whose these are, one's own among them; 1,000 entries at most." }),
  })
  .meta({
    id: 'JobQueueOverview',
    description: 'What runs and waits. The counts, and what the places go by, are as of about a second ago.',
  });
export type JobQueueOverview = z.infer<typeof jobQueueOverview>;
