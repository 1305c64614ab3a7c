/**
 * Submit: the row first (`receiving`), its objects second, then one transaction that makes it a job. Acknowledged
 * means that the row exists, exactly once; the engine is told afterwards, by us or by the sweep.
 */
import { type JobStart, type KindDefinition, ProblemError } from '@darkroom/contract';
import { currentTraceparent, withTraceparent } from '@darkroom/platform';
import {
  abandonReceiving,
  type Caller,
  commitSubmission,
  createReceiving,
  type Db,
  getJob,
  type JobRow,
  markDispatched,
} from '@darkroom/records';
import { v7 as uuid7 } from 'uuid';
import type { DispatchDeps } from './index.ts';

export interface Received {
  readonly input: Record<string, unknown>;
  /** Job whose input objects this one reads instead of its own. */
  readonly sourceJobId?: string;
  readonly rerunOf?: string;
}

export interface Submission {
  readonly idempotencyKey?: string | undefined;
  readonly fingerprint: string;
  readonly input: Record<string, unknown>;
  /** The stage whose activity works on the items. */
  readonly stage: string;
  readonly items: readonly { key: string; input: Record<string, unknown> }[];
  /** Rows of the kind's own tables, written in the transaction that makes it a job. */
  readonly record?: (tx: Db) => Promise<void>;
}

export interface Accepted {
  readonly jobId: string;
  /** An earlier request with the same key and body made the job. */
  readonly duplicate: boolean;
}

export function kindOf(deps: DispatchDeps, kind: string): KindDefinition {
  const definition = deps.kinds[kind];
  if (definition === undefined) throw new TypeError(`There is no kind ${kind}.`);
  return definition;
}

/** Makes the row that everything else of the request hangs on. */
export async function receive(
  deps: DispatchDeps,
  kind: string,
  caller: Caller,
  received: Received,
): Promise<{ id: string }> {
  const id = uuid7();
  await createReceiving(deps.records.db, {
    id,
    kind: kindOf(deps, kind),
    caller,
    ...received,
    ...traceFields(),
  });
  return { id };
}

/** The trace a job belongs to, as columns of its row. */
export function traceFields(): { traceparent?: string; traceId?: string } {
  const traceparent = currentTraceparent();
  return traceparent === undefined ? {} : { traceparent, traceId: traceparent.split('-')[1]! };
}

/**
 * Makes a received row a job. The same key and body again: the first job is named and this one's row and objects go.
 * Throws `idempotency_key_reused` for the same key with another body, after removing this one's as well.
 */
export async function commit(deps: DispatchDeps, id: string, submission: Submission): Promise<Accepted> {
  const { record, ...fields } = submission;
  const outcome = await commitSubmission(deps.records.db, { id, ...fields }, record);
  if (outcome.outcome === 'accepted') {
    await dispatchRun(deps, id);
    return { jobId: id, duplicate: false };
  }
  await abandon(deps, id);
  if (outcome.outcome === 'key_reused') {
    throw new ProblemError(
      'idempotency_key_reused',
      `The key belongs to job ${outcome.jobId}, whose request was another.`,
    );
  }
  return { jobId: outcome.jobId, duplicate: true };
}

/** Takes back a received row: its objects and open uploads go first, so that none is left without a row. */
export async function abandon(deps: DispatchDeps, id: string): Promise<void> {
  const found = await getJob(deps.records.db, id);
  if (found === undefined || found.job.state !== 'receiving') return;
  await deps.storage.removePrefix(kindOf(deps, found.job.kind).inputs(id));
  await abandonReceiving(deps.records.db, id);
}

/** Tells the engine of a queued run. While the engine is away the row stays queued and the sweep tells it later. */
export async function dispatchRun(deps: DispatchDeps, id: string): Promise<void> {
  try {
    const found = await getJob(deps.records.db, id);
    if (found === undefined || found.job.state !== 'queued') return;
    await startRun(deps, found.job, found.stages[0]?.total ?? 0);
  } catch (error) {
    deps.logger.warn({ jobId: id, err: error }, 'the engine could not be told; the sweep will');
  }
}

export async function startRun(deps: DispatchDeps, job: JobRow, items: number): Promise<void> {
  const kind = kindOf(deps, job.kind);
  const start: JobStart = {
    jobId: job.id,
    run: job.run,
    kind: job.kind,
    title: kind.title,
    owner: job.owner,
    stages: kind.stages.map((stage) => stage.name),
    items,
    timing: {
      heartbeatSeconds: deps.config.items.heartbeatSeconds,
      outageHours: deps.config.items.outageHours,
    },
  };
  const how = {
    workflow: kind.workflow,
    priority: { priorityKey: job.priority, fairnessKey: fairnessKeyOf(job.owner) },
  };
  // The sweep starts runs too: the run joins its job's trace, whoever starts it.
  await withTraceparent(job.traceparent ?? undefined, () => deps.engine.start(start, how));
  await markDispatched(deps.records.db, job.id, job.run);
}

/** Fairness keys are at most 64 bytes. */
function fairnessKeyOf(owner: string): string {
  return Buffer.from(owner).subarray(0, 64).toString();
}
