/**
 * Delivery of a job's results to a place of its user's: a prefix of S3 or a directory. What was delivered is theirs, so it is none of the
 * job's outputs: nothing of the platform looks for it, or removes it.
 */
import { createHash } from 'node:crypto';
import { type Delivery, type ManifestFile, manifestFile } from '@darkroom/contract';
import { failpoint } from '@darkroom/platform';
import { allFiles, outcomeOfItems } from '@darkroom/records';
import { grantedTarget, inChunks, openPlace, type Place, StorageError } from '@darkroom/storage';
import { z } from 'zod';
import type { Attempt } from '../attempt/attempt.ts';
import { redoMissing } from '../end/missing.ts';
import { putFiles } from '../end/publish.ts';
import { outputsOf } from '../kinds.ts';
import { type StageTools, workStage } from '../stage.ts';
import { type DeliveryCursor, DeliveryTurn, deliveryCursor, SourceLost, TurnOver } from './turn.ts';

/** Raised when the same results would be delivered otherwise. */
const version = 1;
/** How long one activity delivers: well within what it may take. */
const usualTurnMs = 4 * 60_000;

export interface Delivering {
  /** `s3://bucket/prefix/` or `file:///directory/`, as `requireTarget` takes it. */
  readonly to: string;
  /**
   * The job's own files, written to the platform's store under its outputs: asked for when all files of items are there, and delivered one
   * after the other. The last one is the manifest: whoever sees it knows that all is there. Left out, a `manifest.json` of all files is made.
   */
  readonly files?: () => Promise<readonly ManifestFile[]>;
  readonly turnMs?: number;
}

const result = z.object({
  delivered: z.object({ to: z.string(), files: z.int(), bytes: z.int() }),
  /** Its own, in the platform's store. */
  own: z.array(manifestFile),
});

/**
 * Delivers the files of all items that have succeeded, then the job's own, under the paths that they have in its archive: a turn of it, within
 * the attempt's stage. Called again it goes on; what is there already, of the same size and SHA-256, is left as it is, and what is there of
 * the same name otherwise is replaced. Once all is delivered the stage is done, and nothing looks at the place again: what its user
 * removes from it is not missed.
 *
 * Throws ProblemError: `target_not_granted` (the grant is asked for again), `target_unusable`.
 */
export async function deliverResults(attempt: Attempt, delivering: Delivering): Promise<Delivery> {
  const { call, deps } = attempt;
  const { to, files } = delivering;
  const outcome = await outcomeOfItems(deps.records.db, call.jobId);
  try {
    const { delivered, own } = await workStage(attempt, {
      digest: () => digestOf(to, outcome.digest),
      result,
      checkpoint: deliveryCursor,
      work: (tools) => deliver(attempt, delivering, outcome, tools),
      objects: ({ own }) => own.map(({ uri }) => uri),
    });
    return { done: true, delivered, written: files === undefined ? [] : own };
  } catch (error) {
    if (error instanceof TurnOver) return { done: false };
    if (!(error instanceof SourceLost)) throw error;
    const missing = await redoMissing(attempt, []);
    if (missing > 0) return { done: true, missing };
    throw new StorageError('storage_unavailable', `The store had no ${error.uri} for a moment. Try again.`);
  }
}

async function deliver(
  attempt: Attempt,
  { to, files, turnMs = usualTurnMs }: Delivering,
  total: { readonly files: number; readonly bytes: number },
  { signal, checkpoint, save }: StageTools<DeliveryCursor>,
): Promise<z.infer<typeof result>> {
  const { call, deps, job, log, progress } = attempt;
  const until = Date.now() + turnMs;
  await using place = await openPlace(deps.storage, grantedTarget(to, job, deps.config), {
    jobId: call.jobId,
    assertHeld: nowAndThen(attempt.assertHeld),
    moved: () => progress.moved(),
    signal,
  });
  const turn = new DeliveryTurn(attempt, place, { total: total.files, until, checkpoint, save });
  await turn.items();
  const own = await (files?.() ?? ownManifest(attempt, place));
  for (const [index, file] of own.entries()) {
    signal.throwIfAborted();
    if (index === own.length - 1) {
      // Nobody is to see it who does not see all else, even after a power cut.
      await place.settle();
      await failpoint('deliver.before-manifest', call.jobId);
    }
    await turn.file(file, signal);
    progress.counts(call.stage, total.files + index + 1, total.files + own.length);
  }
  await place.settle();
  const count = total.files + own.length;
  const bytes = own.reduce((sum, file) => sum + file.bytes, total.bytes);
  log.line('info', `${call.stage}: ${count} files are in ${to}`);
  return { delivered: { to, files: count, bytes }, own: [...own] };
}

/** The manifest of what was delivered, with where it lies; kept by the platform until the job has ended. */
function ownManifest(attempt: Attempt, place: Place): Promise<ManifestFile[]> {
  const { deps, job } = attempt;
  const [home] = outputsOf(deps.kinds, job.kind, job.id);
  const path = 'manifest.json';
  const pieces = inChunks(manifestPieces(attempt, place));
  return putFiles(attempt, [
    { key: `${home}delivery/${path}`, path, pieces, contentType: 'application/json' },
  ]);
}

/** How often the fence is asked for, while files are written. */
const heldEachMs = 1000;

function nowAndThen(ask: () => Promise<void>): () => Promise<void> {
  let askedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (Date.now() - askedAt < heldEachMs) return;
    const now = Date.now();
    await ask();
    askedAt = now;
  };
}

/** As a {@link manifest} is written, a file a line. */
async function* manifestPieces({ deps, job, progress }: Attempt, place: Place): AsyncGenerator<string> {
  let before = `{"job":${JSON.stringify(job.id)},"kind":${JSON.stringify(job.kind)},"files":[\n`;
  for await (const file of allFiles(deps.records.db, job.id)) {
    progress.moved();
    // There each is an object, or a file, of its own.
    const { range: _, ...whole } = file;
    yield `${before}${JSON.stringify({ ...whole, uri: place.uriOf(file.path) })}`;
    before = ',\n';
  }
  yield before === ',\n' ? '\n]}\n' : `${before}]}\n`;
}

const digestOf = (to: string, outcome: string): string =>
  createHash('sha256')
    .update(JSON.stringify([version, to, outcome]))
    .digest('hex');
