/** What may be done to a job that exists: cancel, resume, run again, remove. */
import { ProblemError } from '@darkroom/contract';
import { currentTraceId, linkTo, withSpan } from '@darkroom/platform';
import {
  type Caller,
  getJob,
  getJobRow,
  markCancelDispatched,
  requestCancel,
  requestDelete,
  requestResume,
  submittedItems,
} from '@darkroom/records';
import type { z } from 'zod';
import type { DispatchDeps } from './index.ts';
import { fingerprintOf } from './intake/fingerprint.ts';
import { kindOf, traceFields } from './intake/receive.ts';
import { requireSources } from './intake/sources.ts';
import { type Accepted, submit } from './intake/submit.ts';
import { requireTargetOf } from './intake/targets.ts';
import { dispatchRun, dispatchWhenReady } from './run.ts';

/** Asks a job to end. Idempotent; a queued job that the engine was not told of is never started. */
export async function cancel(deps: DispatchDeps, jobId: string, reason: string): Promise<void> {
  const job = await requestCancel(deps.records.db, jobId, reason);
  if (job === undefined) throw new ProblemError('not_found', `There is no job ${jobId}.`);
  if (job.state !== 'cancelling') return;
  try {
    await deps.engine.cancel(jobId, reason);
    await markCancelDispatched(deps.records.db, jobId, job.run);
  } catch (error) {
    deps.logger.warn({ jobId, err: error }, 'the engine could not be told to cancel; the sweep will');
  }
}

/**
 * Runs a failed or cancelled job again as a new run of itself; items whose inputs are the same are kept. Throws `source_not_granted` where
 * its owner may not read a source any more, `target_not_granted` where its results may not be delivered as it says; a job that runs goes on without being asked.
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
      if (before?.state === 'failed' || before?.state === 'cancelled') {
        await requireSources(deps, before, before.kind, await submittedItems(deps.records.db, jobId));
        await requireTargetOf(deps, before, before.kind, before.input);
      }
      const job = await requestResume(deps.records.db, jobId, traceFields());
      if (job === undefined) {
        const state = before?.state ?? 'unknown';
        throw new ProblemError(
          'conflict',
          `The job is ${state}; only a failed or cancelled job can be resumed.`,
        );
      }
      // The rest of a large job is made ready behind the answer: it is queued meanwhile.
      if (job.resetAfter !== null) void dispatchWhenReady(deps, job);
      else await dispatchRun(deps, jobId);
    },
    options,
  );
}

/**
 * Submits the same source again with changed options, as a new job. Its objects are those of the first job, which
 * outlive that job for as long as this one is there. Throws `validation_failed` for changes the kind does not take, `source_not_granted`
 * where the caller may not read a source now.
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
  const items = await submittedItems(deps.records.db, jobId);
  await requireSources(deps, caller, found.job.kind, items);
  const sourceJobId = found.job.sourceJobId ?? jobId;
  return submit(deps, found.job.kind, caller, {
    sourceJobId,
    rerunOf: jobId,
    fingerprint: fingerprintOf({ rerun: jobId, input: parsed.data }),
    idempotencyKey,
    input: parsed.data,
    stage: items.stage,
    items,
    stageInput: items.stageInput,
    record: async (tx, id) => kind.records?.copy?.(tx, { from: jobId, to: id, input: parsed.data }),
  });
}

/** Removes a job for good, durably. Waits up to two seconds; `done` says whether it was proven gone by then. */
export async function remove(deps: DispatchDeps, jobId: string): Promise<{ done: boolean }> {
  const job = await requestDelete(deps.records.db, jobId);
  try {
    await deps.engine.startRemoval(jobId, job && kindOf(deps, job.kind).longest);
  } catch (error) {
    deps.logger.warn({ jobId, err: error }, 'the engine could not be told to remove; the sweep will');
    return { done: false };
  }
  // Less often the longer it takes: hundreds may wait at once.
  for (const pauseMs of [100, 200, 300, 600, 800]) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const row = await getJobRow(deps.records.db, jobId);
    if (row === undefined || row.deletedAt !== null) return { done: true };
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
