/** The end of a job that has done its work: its manifest is written last, then its row. */
import {
  type EndState,
  type ManifestFile,
  ProblemError,
  type Published,
  problemOf,
} from '@darkroom/contract';
import { failpoint, metrics } from '@darkroom/platform';
import { allFiles, countItems, Fenced, finishJob, getJobRow, listItems } from '@darkroom/records';
import { type Attempt, cancelOf } from '../attempt/attempt.ts';
import { expiryOf } from '../kinds.ts';
import { type ItemObject, putObject, putStream, type StreamedObject } from '../objects.ts';
import { settle } from './clean-up.ts';
import { endOf } from './finish.ts';
import { learnFrom } from './learn.ts';
import { writeManifest } from './manifest.ts';
import { redoMissing } from './missing.ts';

/**
 * Writes the job's own files and its manifest, then ends the job as succeeded, with warnings where there are some or items failed. When the
 * store has lost objects of it, nothing ends: the story is to be told again.
 * A cancel that the row has already is not overtaken: nothing ends then either, and the attempt is cancelled.
 * Throws the items' problem when none succeeded. Items without an end count as missing: an attempt that died may have set them back.
 */
export async function publishJob(
  attempt: Attempt,
  job: {
    readonly stage: string;
    readonly objects: readonly (ItemObject | StreamedObject)[];
    /** Files of the job that an earlier step has written. */
    readonly written?: readonly ManifestFile[];
    readonly result: Record<string, unknown>;
    /** What went wrong without an item failing of it, in words. */
    readonly warnings?: readonly string[];
    /** Removes what nobody needs any more of a job whose objects are all there; may be repeated. */
    readonly tidy?: () => Promise<void>;
  },
): Promise<Published> {
  const { records } = attempt.deps;
  const { jobId, run } = attempt.call;
  const counts = await countItems(records.db, jobId, job.stage);
  if (counts.unfinished > 0) return { missing: counts.unfinished };
  if (counts.total > 0 && counts.succeeded === 0)
    throw await nothingSucceeded(attempt, job.stage, counts.total);

  await attempt.assertHeld();
  const own = [...(job.written ?? []), ...(await putFiles(attempt, job.objects))];
  await failpoint('job.before-manifest', jobId);
  const manifest = await writeManifest(attempt, filesOf(attempt, own));
  await failpoint('job.before-check', jobId);
  const missing = await redoMissing(attempt, [...own, ...manifest.objects]);
  if (missing > 0) return { missing };
  await job.tidy?.();
  await failpoint('job.before-finish', jobId);
  attempt.signal.throwIfAborted();
  const said = job.warnings ?? [];
  const warnings = counts.failed + said.length;
  const state: EndState = warnings > 0 ? 'succeeded_with_warnings' : 'succeeded';
  await attempt.progress.closeBeforeEnd();
  const finished = await finishJob(records.db, {
    jobId,
    run,
    endingClaim: null,
    state,
    warnings,
    ownFiles: own,
    result: {
      ...job.result,
      manifest: manifest.uri,
      files: manifest.files,
      ...(said.length > 0 && { warnings: said }),
    },
    resultsExpireAt: expiryOf(attempt.deps, attempt.job.kind),
  });
  await failpoint('job.finished', jobId);
  if (!finished) await requireEnd(attempt, state);
  if (finished) {
    metrics.jobsTotal.inc({ kind: attempt.job.kind, state });
    if (state === 'succeeded') await learnFrom(attempt);
  }
  await settle(attempt.deps, attempt.job.kind, attempt.call, {
    signal: attempt.signal,
    manifestInParts: manifest.objects.length > 1,
  });
  return { state };
}

/**
 * Of a job that this attempt has not ended: a retry finds the end that its predecessor wrote. A cancel that was answered before holds, so the
 * attempt waits for the engine to tell it, as one that begins then does. Throws {@link Fenced} where the race was lost otherwise.
 */
async function requireEnd({ deps, call, signal }: Attempt, state: EndState): Promise<void> {
  if ((await endOf(deps, call)) === state) return;
  const row = await getJobRow(deps.records.db, call.jobId);
  if (row?.run === call.run && row.state === 'cancelling' && row.endingClaim === null) await cancelOf(signal);
  throw new Fenced('The job has ended otherwise.');
}

/** The files of the items, a page of them at a time, then the job's own. */
async function* filesOf(
  { deps, call, progress }: Attempt,
  own: readonly ManifestFile[],
): AsyncGenerator<ManifestFile, void, undefined> {
  for await (const file of allFiles(deps.records.db, call.jobId)) {
    progress.goesOn();
    yield file;
  }
  yield* own;
}

/** Writes files of the job itself, for its manifest. */
export async function putFiles(
  attempt: Attempt,
  objects: readonly (ItemObject | StreamedObject)[],
): Promise<ManifestFile[]> {
  const files: ManifestFile[] = [];
  for (const object of objects) {
    const file = await ('pieces' in object ? putStream(attempt, object) : putObject(attempt, object));
    files.push({ ...file, item: null });
  }
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
