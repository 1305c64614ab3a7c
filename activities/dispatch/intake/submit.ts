/**
 * Submit: the row first (`receiving`), its objects second, then one transaction that makes it a job; where there are no objects, that
 * transaction alone. Acknowledged means that the row exists, exactly once; the engine is told afterwards, by us or by the sweep.
 */
import { type KindDefinition, ProblemError, type Size } from '@darkroom/contract';
import { estimateOfJob } from '@darkroom/estimates';
import {
  type Caller,
  type CopiedItems,
  commitSubmission,
  type Db,
  getJobRow,
  overLimit,
  pagesOfItems,
  type Submission as Recorded,
  type SubmittedItem,
  sizeOf,
  sizeTogether,
  submitJob,
} from '@darkroom/records';
import { v7 as uuid7 } from 'uuid';
import type { DispatchDeps } from '../index.ts';
import { dispatchRun, itemsTold, launch, startRun } from '../run.ts';
import { acceptedAs, withFreeKey } from './keys.ts';
import { abandon, kindOf, type Received, traceFields } from './receive.ts';
import { requireTargetOf } from './targets.ts';

export interface Submission {
  readonly idempotencyKey?: string | undefined;
  readonly fingerprint: string;
  readonly input: Record<string, unknown>;
  /** The stage whose activity works on the items, or on its own input. */
  readonly stage: string;
  readonly items: readonly SubmittedItem[] | CopiedItems;
  /** What the stage is made of, where it has no items. */
  readonly stageInput?: object | undefined;
  /** The size that the job is expected to have, where its stage will find that: it is estimated by it until then. */
  readonly expected?: Size | undefined;
  /** Rows of the kind's own tables, written in the transaction that makes it a job. */
  readonly record?: (tx: Db, jobId: string) => Promise<void>;
}

export interface Accepted {
  readonly jobId: string;
  /** An earlier request with the same key and body made the job. */
  readonly duplicate: boolean;
}

/**
 * Makes a received row a job. The same key and body again: the first job is named and this one's row and objects go.
 * Throws `idempotency_key_reused` for the same key with another body, and `idempotency_key_deleted` where the first job was deleted, after
 * removing this one's as well. Throws `too_many_items` for more than its kind takes, and as {@link requireTargetOf}.
 */
export async function commit(
  deps: DispatchDeps,
  kind: string,
  id: string,
  submission: Submission,
): Promise<Accepted> {
  const { record, expected: _, ...fields } = submission;
  const row = kindOf(deps, kind).targetOf && (await getJobRow(deps.records.db, id));
  if (row !== undefined) await requireTargetOf(deps, row, kind, submission.input);
  const sized = await measure(deps, kind, submission);
  const outcome = await withFreeKey(deps, () =>
    commitSubmission(deps.records.db, { id, ...sized, ...fields }, async (tx) => record?.(tx, id)),
  );
  if (outcome.outcome === 'accepted') void dispatchRun(deps, id);
  else await abandon(deps, id);
  return acceptedAs(deps, id, outcome);
}

/**
 * Makes a job of a request that brings no objects. Throws `idempotency_key_reused` for a known key with another body, `too_many_items` for
 * more than its kind takes, and as {@link requireTargetOf}.
 */
export async function submit(
  deps: DispatchDeps,
  kind: string,
  caller: Caller,
  { sourceJobId, rerunOf, ...submission }: Submission & Pick<Received, 'sourceJobId' | 'rerunOf'>,
): Promise<Accepted> {
  const id = uuid7();
  const trace = traceFields();
  const { record, expected: _, ...fields } = submission;
  await requireTargetOf(deps, caller, kind, submission.input);
  const sized = await measure(deps, kind, submission);
  const job = { id, kind: kindOf(deps, kind), caller, sourceJobId, rerunOf, ...trace };
  const outcome = await withFreeKey(deps, () =>
    submitJob(deps.records.db, job, { id, ...sized, ...fields }, async (tx) => record?.(tx, id)),
  );
  if (outcome.outcome === 'accepted') {
    const { owner, priority } = caller;
    const run = { id, run: 1, kind, owner, priority, traceparent: trace.traceparent ?? null };
    void launch(deps, owner, id, async (waited) => {
      // A job that was cancelled before its turn came is never started.
      if (waited && (await getJobRow(deps.records.db, id))?.state !== 'queued') return;
      const totals = job.kind.stages.map(({ name, itemsOf = '' }) => ({
        name,
        itemsOf,
        total: itemsOf === submission.stage ? submission.items.length : null,
      }));
      await startRun(deps, run, itemsTold(totals));
    });
  }
  return acceptedAs(deps, id, outcome);
}

/** The size of a job with these items, and what it is estimated at. Throws `too_many_items` where its kind does not take one as large. */
async function measure(
  deps: DispatchDeps,
  name: string,
  {
    stage,
    items,
    stageInput,
    input,
    expected,
  }: Pick<Submission, 'stage' | 'items' | 'stageInput' | 'input' | 'expected'>,
): Promise<Pick<Recorded, 'size' | 'estimate'>> {
  const kind = kindOf(deps, name);
  const size =
    'copyOf' in items
      ? await sizeOfCopy(deps, kind, items)
      : sizeOf(kind, stage, stageInput === undefined ? items : [{ input: stageInput }]);
  const refusal = size && overLimit(kind, size, deps.config.limits.jobs);
  if (refusal !== undefined) throw new ProblemError('too_many_items', refusal);
  await deps.estimates.ready();
  const about = expected ?? size;
  const estimate = about && estimateOfJob(deps.estimates, kind, { input, size: about });
  return { size, estimate: estimate && expected ? { ...estimate, expected } : estimate };
}

async function sizeOfCopy(
  { records }: DispatchDeps,
  kind: KindDefinition,
  items: CopiedItems,
): Promise<Size | undefined> {
  if (kind.sizes === undefined) return undefined;
  let size: Size = {};
  for await (const page of pagesOfItems(records.db, items))
    size = sizeTogether([size, sizeOf(kind, items.stage, page) ?? {}]);
  return size;
}
