/** The durable removal of a job, step by step; every step can be repeated. */
import { failpoint } from '@darkroom/platform';
import {
  assertExpired,
  assertToDelete,
  assertUnneeded,
  forgetFiles,
  getJobRow,
  type ItemPlace,
  isNeeded,
  type JobRow,
  markDeleted,
  markResultsPurged,
  type PublishedItem,
  publishedItems,
  takeExpired,
} from '@darkroom/records';
import type { DispatchDeps } from './index.ts';
import { kindOf } from './intake/receive.ts';

/** How a removal of objects went on; `after` is what it takes up the next time. */
export type RemovalStep =
  | { readonly state: 'done' | 'waits' }
  | { readonly state: 'stopped'; readonly after: ItemPlace };

/** A removal puts itself down after this long, so that those of others, and all else in the queue, get their turn. */
const turnMs = 5000;
/**
 * Removals of this process at a time, and those among them that one turn was not enough for: what they ask of the store is bounded,
 * whoever has how many under way, and small ones pass the large.
 */
const atOnce = { all: 8, large: 2 };
const working = { all: 0, large: 0 };

interface Turn {
  /** Not from the beginning. */
  readonly after?: ItemPlace | undefined;
  /** When the turn is over, in milliseconds as `Date.now()` counts; absent: never. */
  readonly until?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Removes what the job made, for as long as `assertHeld` does not throw. What the ledger knows needs no listing, which a store that
 * keeps objects as files goes through whole for each page of it; a listing finds the rest. Returns where it stopped when its turn was
 * over; that is with the ledger's objects alone, of the rest there is little.
 */
async function removeOutputs(
  deps: DispatchDeps,
  job: Pick<JobRow, 'id' | 'kind'>,
  assertHeld: () => Promise<void>,
  { after, until = Number.POSITIVE_INFINITY, signal }: Turn,
): Promise<ItemPlace | undefined> {
  const { storage, records } = deps;
  const prefixes = kindOf(deps, job.kind).outputs(job.id);
  const uris = prefixes.map((prefix) => `s3://${storage.bucket}/${prefix}`);
  let stopped: ItemPlace | undefined;
  async function* known(): AsyncGenerator<string> {
    for await (const page of publishedItems(records.db, job.id, after)) {
      yield* objectsUnder(uris, page);
      const last = page.at(-1);
      if (last === undefined || Date.now() < until) continue;
      stopped = { stage: last.stage, ordinal: last.ordinal };
      return;
    }
  }
  await storage.remove(known(), { assertHeld, signal });
  if (stopped !== undefined) return stopped;
  for (const prefix of prefixes) await storage.removePrefix(prefix, { assertHeld, signal });
  return undefined;
}

/** URIs of these items' objects under the prefixes; one that lies elsewhere is its user's. */
function* objectsUnder(prefixes: readonly string[], items: readonly PublishedItem[]): Generator<string> {
  const all = items.flatMap(({ needs, files }) => [...(needs ?? []), ...(files ?? []).map(({ uri }) => uri)]);
  // Neighbours may lie in one pack.
  for (const uri of new Set(all)) if (prefixes.some((prefix) => uri.startsWith(prefix))) yield uri;
}

/** Removes the results of a job that is past its retention, unless it was resumed; its row tells so before the first object goes. */
export async function removeExpired(deps: DispatchDeps, jobId: string, signal?: AbortSignal): Promise<void> {
  const { db } = deps.records;
  await failpoint('expired.found', jobId);
  const job = await takeExpired(db, jobId, new Date());
  if (job === undefined) return;
  await removeOutputs(deps, job, () => assertExpired(db, jobId), { signal });
  await failpoint('expired.removed', jobId);
  await forgetFiles(db, jobId);
  await markResultsPurged(db, jobId);
}

/** Removes what the job made and what was uploaded for it, unless a job that was made from it still reads that. */
export async function removeObjects(deps: DispatchDeps, jobId: string, signal?: AbortSignal): Promise<void> {
  await removeFor(deps, jobId, { signal });
}

/** The same for some seconds, unless others are at it: who waits for its turn asks again. */
export async function removeSome(
  deps: DispatchDeps,
  jobId: string,
  { after, signal, ms = turnMs }: Pick<Turn, 'after' | 'signal'> & { readonly ms?: number },
): Promise<RemovalStep> {
  const large = after === undefined ? 0 : 1;
  if (working.all >= atOnce.all || working.large + large > atOnce.large) return { state: 'waits' };
  working.all++;
  working.large += large;
  try {
    const stopped = await removeFor(deps, jobId, { after, until: Date.now() + ms, signal });
    return stopped === undefined ? { state: 'done' } : { state: 'stopped', after: stopped };
  } finally {
    working.all--;
    working.large -= large;
  }
}

async function removeFor(deps: DispatchDeps, jobId: string, turn: Turn): Promise<ItemPlace | undefined> {
  const { db } = deps.records;
  const { signal } = turn;
  const job = await getJobRow(db, jobId);
  if (job === undefined) return undefined;
  const stopped = await removeOutputs(deps, job, () => assertToDelete(db, jobId), turn);
  if (stopped !== undefined) return stopped;
  for (const id of [jobId, ...(job.sourceJobId === null ? [] : [job.sourceJobId])]) {
    if (await isNeeded(db, id)) continue;
    const assertHeld = () => assertUnneeded(db, id);
    await deps.storage.removePrefix(kindOf(deps, job.kind).inputs(id), { assertHeld, signal });
  }
  return undefined;
}

/** Asks the job's run to end; whether it has. Who waits for it asks again. */
export async function endRun(deps: DispatchDeps, jobId: string): Promise<boolean> {
  if ((await deps.engine.describe(jobId)).state !== 'running') return true;
  await deps.engine.cancel(jobId, 'deleted');
  return false;
}

export async function removeRows(deps: DispatchDeps, jobId: string): Promise<void> {
  const job = await getJobRow(deps.records.db, jobId);
  if (job === undefined) return;
  await markDeleted(deps.records.db, jobId, kindOf(deps, job.kind).records);
}
