/** What may be done to a job that exists: cancel, resume, run again, remove. */
import { ProblemError } from '@darkroom/contract';
import { currentTraceId, linkTo, withSpan } from '@darkroom/platform';
import {
  type Caller,
  copyItems,
  getJob,
  getJobRow,
  markCancelDispatched,
  requestCancel,
  requestDelete,
  requestResume,
} from '@darkroom/records';
import type { z } from 'zod';
import { fingerprintOf } from './fingerprint.ts';
import type { DispatchDeps } from './index.ts';
import { type Accepted, commit, dispatchRun, kindOf, receive, traceFields } from './submit.ts';

/** Asks a job to end. Idempotent; a queued job that the engine was not told of is never started. */
export async function cancel(deps: DispatchDeps, jobId: string, reason: string): Promise<void> {
  const job = await requestCancel(deps.records.db, jobId, reason);
  if (job === undefined) throw new ProblemError('not_found', `There is no job ${jobId}.`);
  if (job.state !== 'cancelling') return;
  try {
    await deps.engine.cancel(jobId, reason);
    await markCancelDispatched(deps.records.db, jobId);
  } catch (error) {
    deps.logger.warn({ jobId, err: error }, 'the engine could not be told to cancel; the sweep will');
  }
}

/**
 * Runs a failed or cancelled job again as a new run of itself; items whose inputs are the same are kept.
 * The new run is a trace of its own, linked to the one before.
 */
export async function resume(deps: DispatchDeps, jobId: string): Promise<void> {
  const before = await getJobRow(deps.records.db, jobId);
  const link = linkTo(before?.traceparent ?? undefined);
  const options = {
    root: link !== undefined && link.context.traceId === currentTraceId(),
    ...(link !== undefined && { links: [link] }),
  };
  await withSpan(
    'resume job',
    { 'darkroom.job': jobId },
    async () => {
      const job = await requestResume(deps.records.db, jobId, traceFields());
      if (job === undefined) {
        const state = before?.state ?? 'unknown';
        throw new ProblemError(
          'conflict',
          `The job is ${state}; only a failed or cancelled job can be resumed.`,
        );
      }
      await dispatchRun(deps, jobId);
    },
    options,
  );
}

/**
 * Submits the same source again with changed options, as a new job. Its objects are those of the first job, which
 * outlive that job for as long as this one is there. Throws `validation_failed` for changes the kind does not take.
 */
export async function rerun(
  deps: DispatchDeps,
  jobId: string,
  changes: Record<string, unknown>,
  caller: Caller,
  idempotencyKey?: string,
): Promise<Accepted> {
  const found = await getJob(deps.records.db, jobId);
  if (found === undefined) throw new ProblemError('not_found', `There is no job ${jobId}.`);
  if (found.job.state === 'receiving') throw new ProblemError('conflict', 'The job is still being received.');
  const kind = kindOf(deps, found.job.kind);
  const parsed = kind.input.safeParse({ ...found.job.input, ...changes });
  if (!parsed.success) throw validationFailed(parsed.error);
  const { stage, items, record } = await copyItems(deps.records.db, jobId);
  const sourceJobId = found.job.sourceJobId ?? jobId;
  const { id } = await receive(deps, found.job.kind, caller, {
    input: parsed.data,
    sourceJobId,
    rerunOf: jobId,
  });
  return commit(deps, id, {
    fingerprint: fingerprintOf({ rerun: jobId, input: parsed.data }),
    idempotencyKey,
    input: parsed.data,
    stage,
    items,
    record: (tx) => record(tx, id, parsed.data),
  });
}

/** Removes a job for good, durably. Waits up to two seconds; `done` says whether it was proven gone by then. */
export async function remove(deps: DispatchDeps, jobId: string): Promise<{ done: boolean }> {
  await requestDelete(deps.records.db, jobId);
  try {
    await deps.engine.startRemoval(jobId);
  } catch (error) {
    deps.logger.warn({ jobId, err: error }, 'the engine could not be told to remove; the sweep will');
    return { done: false };
  }
  for (let waited = 0; waited < 2000; waited += 100) {
    const row = await getJobRow(deps.records.db, jobId);
    if (row === undefined || row.deletedAt !== null) return { done: true };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { done: false };
}

function validationFailed(error: z.ZodError): ProblemError {
  return new ProblemError('validation_failed', 'The changes do not fit the job.', {
    errors: error.issues.flatMap((issue) => {
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [];
      const at = issue.path.map((part) => `/${String(part)}`).join('');
      if (unknown.length === 0) return [{ pointer: at, detail: issue.message }];
      return unknown.map((key) => ({ pointer: `${at}/${key}`, detail: 'is not known here' }));
    }),
  });
}
