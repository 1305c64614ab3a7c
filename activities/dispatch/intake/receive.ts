/** What comes in before it is a job: its row first, its bytes second; and what takes both back. */
import { ProblemError } from '@darkroom/contract';
import { currentTraceparent, failpoint } from '@darkroom/platform';
import {
  abandonReceiving,
  assertAbandoned,
  type Caller,
  createReceiving,
  Fenced,
  type Kind,
  keepReceiving,
  removeAbandoned,
} from '@darkroom/records';
import { v7 as uuid7 } from 'uuid';
import type { DispatchDeps } from '../index.ts';

export interface Received {
  readonly input: Record<string, unknown>;
  /** Job whose input objects this one reads instead of its own. */
  readonly sourceJobId?: string | undefined;
  readonly rerunOf?: string;
}

export function kindOf(deps: Pick<DispatchDeps, 'kinds'>, kind: string): Kind {
  const definition = deps.kinds[kind];
  if (definition === undefined) throw new TypeError(`There is no kind ${kind}.`);
  return definition;
}

/** The trace a job belongs to, as columns of its row. */
export function traceFields(): { traceparent?: string; traceId?: string } {
  const traceparent = currentTraceparent();
  return traceparent === undefined ? {} : { traceparent, traceId: traceparent.split('-')[1]! };
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

/**
 * Takes back a received row: it can no longer be submitted, then its objects and open uploads go, then the row, so that none of them is
 * left without one. Idempotent; what a death in between leaves, the sweep takes up.
 */
export async function abandon(deps: DispatchDeps, id: string): Promise<void> {
  const { db } = deps.records;
  await failpoint('abandon.found', id);
  const job = await abandonReceiving(db, id);
  if (job === undefined) return;
  const assertHeld = () => assertAbandoned(db, id);
  try {
    await deps.storage.removePrefix(kindOf(deps, job.kind).inputs(id), { assertHeld });
  } catch (error) {
    // Somebody else has taken it back meanwhile.
    if (error instanceof Fenced) return;
    throw error;
  }
  await failpoint('abandon.removed', id);
  await removeAbandoned(db, id);
}

/**
 * Takes back what a request that failed with `error` has begun, but where nobody knows whether it has become a job: then the sweep decides,
 * when the row can be read. Never throws.
 */
export async function takeBack(deps: DispatchDeps, id: string, error: unknown): Promise<void> {
  if (error instanceof ProblemError && error.code === 'outcome_unknown') return;
  await abandon(deps, id).catch((failure: unknown) => {
    deps.logger.warn({ jobId: id, err: failure }, 'a refused request is left to the sweep');
  });
}

/**
 * The bytes of a received job as they arrive; the records are told now and then that they do, since they may take longer than the sweep
 * waits for those that do not. Each counts, not each part that is stored: a part may be hours in coming.
 */
export async function* arriving(
  { records, config, logger }: DispatchDeps,
  id: string,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pauseMs = (config.sweep.receivingTimeoutMinutes * 60_000) / 4;
  let kept = Date.now();
  for await (const chunk of content) {
    if (Date.now() - kept >= pauseMs) {
      kept = Date.now();
      keepReceiving(records.db, id).catch((error: unknown) => {
        logger.warn({ jobId: id, err: error }, 'an upload that goes on could not be noted');
      });
    }
    yield chunk;
  }
}
