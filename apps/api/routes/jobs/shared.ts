/** What the routes under /v1/jobs share: finding a job for its caller, and its document. */
import { hasEnded, type Job, type JobQueue, ProblemError } from '@darkroom/contract';
import { getJob, type JobWithStages, toJob } from '@darkroom/records';
import { type Action, authorize } from '../../authorize.ts';
import type { ApiContext, ApiDeps } from '../../context.ts';
import { signLink } from '../../signed/links.ts';

const jobIdForm = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Throws `not_found` for what cannot be a job's id, before a database sees it. */
export function requireJobId(c: ApiContext, id: string): string {
  if (!jobIdForm.test(id)) throw new ProblemError('not_found', 'There is no such thing, or it is not yours.');
  c.set('jobId', id);
  return id;
}

/** The job, if the caller may do `action` to it. Throws `not_found`, `forbidden`. */
export async function loadJob(c: ApiContext, id: string, action: Action): Promise<JobWithStages> {
  const found = await getJob(c.get('deps').records.db, requireJobId(c, id));
  authorize(c.get('caller'), action, found?.job);
  return found!;
}

/** The document of a job; `queue`: where it stands, if that is to be told. */
export function jobDocument({ config }: ApiDeps, { job, stages }: JobWithStages, queue?: JobQueue): Job {
  const options = {
    publicUrl: config.api.publicUrl,
    temporalUi: config.temporal.uiUrl,
    namespace: config.temporal.namespace,
  };
  return toJob(job, stages, options, queue);
}

/**
 * The document with where the job stands in the queue, and with links for a browser that carry their own signature: `live`, and `archive` once
 * the job has ended.
 */
export async function linkedDocument(c: ApiContext, found: JobWithStages): Promise<Job> {
  const { deps, caller } = c.var;
  // A request that made a job is not to fail of what would only be good to know.
  const standing = await deps.dispatch.queue.standing(found.job).catch((error: unknown) => {
    deps.logger.warn({ jobId: found.job.id, err: error }, 'the place of a job was not found out');
    return undefined;
  });
  const document = jobDocument(deps, found, standing);
  const signed = (path: string): string =>
    deps.config.api.publicUrl + signLink(deps.config.links, `/v1/jobs/${document.id}${path}`, caller);
  return {
    ...document,
    links: {
      ...document.links,
      live: signed('/events'),
      ...(hasEnded(document.state) && { archive: signed('/results/archive') }),
    },
  };
}
