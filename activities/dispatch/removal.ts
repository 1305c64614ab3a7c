/** The durable removal of a job, step by step; every step can be repeated. */
import { getJobRow, type JobRow, liveDependents, markDeleted } from '@darkroom/records';
import type { DispatchDeps } from './index.ts';
import { kindOf } from './submit.ts';

/** Removes what the job made. */
export async function removeOutputs(deps: DispatchDeps, job: Pick<JobRow, 'id' | 'kind'>): Promise<void> {
  for (const prefix of kindOf(deps, job.kind).outputs(job.id)) await deps.storage.removePrefix(prefix);
}

/** Removes what the job made and what was uploaded for it, unless a job that was made from it still reads that. */
export async function removeObjects(deps: DispatchDeps, jobId: string): Promise<void> {
  const job = await getJobRow(deps.records.db, jobId);
  if (job === undefined) return;
  await removeOutputs(deps, job);
  for (const id of [jobId, ...(job.sourceJobId === null ? [] : [job.sourceJobId])]) {
    const owner = await getJobRow(deps.records.db, id);
    if (owner !== undefined && owner.deleteRequestedAt === null) continue;
    if ((await liveDependents(deps.records.db, id)) > 0) continue;
    await deps.storage.removePrefix(kindOf(deps, job.kind).inputs(id));
  }
}

/** Ends the job's run and waits until it is closed. `beat` is called while it waits and throws when that is to stop. */
export async function endRun(deps: DispatchDeps, jobId: string, beat: () => void): Promise<void> {
  for (;;) {
    beat();
    if ((await deps.engine.describe(jobId)) !== 'running') return;
    await deps.engine.cancel(jobId, 'deleted');
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

export async function removeRows(deps: DispatchDeps, jobId: string): Promise<void> {
  await markDeleted(deps.records.db, jobId);
}
