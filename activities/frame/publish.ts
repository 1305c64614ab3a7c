/** The end of a job: its manifest is written last, then its row; what was not finished is not to be seen. */
import {
  type Call,
  type EndState,
  type ManifestFile,
  type ProblemCode,
  ProblemError,
  problemOf,
} from '@darkroom/contract';
import { failpoint, metrics } from '@darkroom/platform';
import {
  allFiles,
  countItems,
  Fenced,
  finishJob,
  getJobRow,
  listItems,
  neededObjects,
} from '@darkroom/records';
import { cancellationSignal } from '@temporalio/activity';
import type { Attempt, FrameDeps } from './attempt.ts';
import { type ItemObject, putObject } from './objects.ts';

/**
 * Writes the job's own files and its manifest, then ends the job as succeeded, with warnings where there are some or items failed.
 * Throws the items' problem when none succeeded.
 */
export async function publishJob(
  attempt: Attempt,
  job: {
    readonly stage: string;
    readonly objects: readonly ItemObject[];
    /** Files of the job that an earlier step has written. */
    readonly written?: readonly ManifestFile[];
    readonly result: Record<string, unknown>;
    /** What went wrong without an item failing of it, in words. */
    readonly warnings?: readonly string[];
  },
): Promise<{ state: EndState }> {
  const { records, storage } = attempt.deps;
  const { jobId, run } = attempt.call;
  const counts = await countItems(records.db, jobId, job.stage);
  if (counts.total > 0 && counts.succeeded === 0)
    throw await nothingSucceeded(attempt, job.stage, counts.total);

  await attempt.assertHeld();
  const files: ManifestFile[] = [];
  for await (const file of allFiles(records.db, jobId)) files.push(file);
  files.push(...(job.written ?? []), ...(await putFiles(attempt, job.objects)));
  await failpoint('job.before-manifest', jobId);
  const manifest = Buffer.from(JSON.stringify({ job: jobId, kind: attempt.job.kind, files }, null, 1));
  const [home] = outputsOf(attempt.deps, attempt.job.kind, jobId);
  await attempt.assertHeld();
  const { uri } = await storage.putBytes(`${home}manifest.json`, manifest, {
    contentType: 'application/json',
    signal: attempt.signal,
  });
  await failpoint('job.before-finish', jobId);
  attempt.signal.throwIfAborted();
  const said = job.warnings ?? [];
  const warnings = counts.failed + said.length;
  const state: EndState = warnings > 0 ? 'succeeded_with_warnings' : 'succeeded';
  await attempt.progress.close();
  const finished = await finishJob(records.db, {
    jobId,
    run,
    state,
    warnings,
    result: {
      ...job.result,
      manifest: uri,
      files: files.length,
      ...(said.length > 0 && { warnings: said }),
    },
    resultsExpireAt: expiryOf(attempt.deps, attempt.job.kind),
  });
  // A repeated attempt finds its own end; anybody else's means that this one lost.
  if (!finished && (await getJobRow(records.db, jobId))?.state !== state)
    throw new Fenced('The job has ended otherwise.');
  if (finished) metrics.jobsTotal.inc({ kind: attempt.job.kind, state });
  return { state };
}

/** Writes files of the job itself, for its manifest. */
export async function putFiles(attempt: Attempt, objects: readonly ItemObject[]): Promise<ManifestFile[]> {
  const files: ManifestFile[] = [];
  for (const object of objects) files.push({ ...(await putObject(attempt, object)), item: null });
  return files;
}

/** The one item's own problem; of several, how many and the first. */
async function nothingSucceeded(attempt: Attempt, stage: string, total: number): Promise<ProblemError> {
  const [first] = await listItems(attempt.deps.records.db, attempt.call.jobId, {
    stage,
    state: 'failed',
    limit: 1,
  });
  const problem = first?.problem ?? problemOf('internal', 'The item failed without a reason.');
  if (total === 1) return new ProblemError(problem.code, problem.detail);
  return new ProblemError(
    'no_item_succeeded',
    `All ${total} items failed; the first: ${problem.title}. ${problem.detail}`,
  );
}

function outputsOf(deps: FrameDeps, kind: string, jobId: string): readonly [string, ...string[]] {
  const definition = deps.kinds[kind];
  if (definition === undefined) throw new TypeError(`This worker does not know the kind ${kind}.`);
  return definition.outputs(jobId);
}

/** Activities that end a job that did not end itself; every worker's light queue has them. */
export function frameActivities(deps: FrameDeps) {
  return {
    /** Removes what was half-published, then ends the job. Idempotent; an older run changes nothing. */
    async finish(
      call: Call,
      end: { state: EndState; code?: ProblemCode; detail?: string; reason?: string },
    ): Promise<void> {
      const row = await getJobRow(deps.records.db, call.jobId);
      if (row === undefined || row.run !== call.run || row.finishedAt !== null) return;
      await removeUnpublished(deps, row.kind, call.jobId, cancellationSignal());
      const finished = await finishJob(deps.records.db, {
        jobId: call.jobId,
        run: call.run,
        state: end.state,
        cancelReason: end.reason,
        resultsExpireAt: expiryOf(deps, row.kind),
        ...(end.code !== undefined && { problem: problemOf(end.code, end.detail ?? '') }),
      });
      if (finished) metrics.jobsTotal.inc({ kind: row.kind, state: end.state });
    },
  };
}

/** When results of a kind that ends now may be removed; undefined where they are kept. */
function expiryOf({ kinds, config }: FrameDeps, kind: string): Date | undefined {
  const setting = kinds[kind]?.retention;
  const days = setting === undefined ? undefined : config.retention[setting];
  return days === undefined ? undefined : new Date(Date.now() + days * 24 * 3_600_000);
}

/** Deletes objects of the job that no finished item owns and no other is made of, and uploads that were under way. */
async function removeUnpublished(
  deps: FrameDeps,
  kind: string,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  const kept = new Set(await neededObjects(deps.records.db, jobId));
  for await (const file of allFiles(deps.records.db, jobId)) kept.add(file.uri);
  for (const prefix of outputsOf(deps, kind, jobId)) {
    await deps.storage.removePrefix(prefix, { keep: kept, signal });
  }
}
