/**
 * Works on a page of the item ledger: skips what is done, bounds the page in time, publishes each item exactly once,
 * and tells the errors of an item from outages and from deaths of the process.
 */
import { createHash } from 'node:crypto';
import { type Page, type PageReport, type ProblemRecord, problemOf } from '@darkroom/contract';
import { failpoint } from '@darkroom/platform';
import {
  claimItem,
  type Db,
  Fenced,
  failItem,
  getStages,
  holdsItem,
  type ItemRow,
  publishItem,
  readPage,
  releaseItems,
  retryItem,
} from '@darkroom/records';
import type { Attempt } from './attempt.ts';
import { isOutage, problemOfError } from './failure.ts';

/** An object that an item is published with. */
export interface ItemObject {
  /** Key in the platform's bucket; a function of job and item, so that a repeated write is the same write. */
  readonly key: string;
  /** Path within the job's archive. */
  readonly path: string;
  readonly body: Buffer;
  readonly contentType: string;
}

export interface ItemOutcome {
  /** The first one is the item's result. */
  readonly objects: readonly [ItemObject, ...ItemObject[]];
  /** Rows of the kind's own tables, written in the transaction that publishes the item. */
  readonly record?: (tx: Db) => Promise<void>;
}

export interface ItemTools {
  readonly signal: AbortSignal;
  /** Reports that the item has been through a stage. */
  reached(stage: string): void;
  /** The process died under this item before: work on it where it can harm nobody. */
  readonly suspect: boolean;
}

export interface ItemWork {
  readonly stage: string;
  /** Stage an item has reached when it is published. */
  readonly lastStage: string;
  /** Items worked on at a time. */
  readonly concurrency: number;
  /** No item is begun after this many milliseconds; the rest of the page waits its turn behind others'. */
  readonly budgetMs: number;
  /** Whether `work` isolates a suspect item; else the item fails after three deaths, which may blame a neighbour. */
  readonly isolates: boolean;
  /** What the item's bytes are a function of; equal to the ledger's, an earlier result is reused. */
  inputDigest(item: ItemRow): string;
  work(item: ItemRow, tools: ItemTools): Promise<ItemOutcome>;
}

export async function workPage(attempt: Attempt, page: Page, kind: ItemWork): Promise<PageReport> {
  const { records } = attempt.deps;
  const until = Date.now() + kind.budgetMs;
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let next: number | null = null;

  try {
    for (const item of await readPage(records.db, attempt.call.jobId, kind.stage, page.from, page.to)) {
      if (isDone(item, kind, attempt)) continue;
      const suspect = item.deaths > 0 || (item.state === 'running' && item.run === attempt.call.run);
      const room = suspect && !kind.isolates ? 1 : kind.concurrency;
      while (running.size >= room) await Promise.race(running);
      if (failure !== undefined) break;
      attempt.signal.throwIfAborted();
      if (Date.now() >= until) {
        next = item.ordinal;
        break;
      }
      attempt.cursor = item.ordinal;
      const work = workItem(attempt, item, kind)
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => running.delete(work));
      running.add(work);
    }
    await Promise.all(running);
    if (failure !== undefined) throw failure.error;
  } catch (error) {
    await Promise.all(running);
    // Given back in order, these items are nobody's death.
    await releaseItems(records.db, attempt.fence).catch(() => {});
    throw error;
  }
  await attempt.progress.close();
  return { next, stages: await getStages(records.db, attempt.call.jobId) };
}

function isDone(item: ItemRow, kind: ItemWork, attempt: Attempt): boolean {
  if (item.state === 'failed') return item.run === attempt.call.run;
  return item.state === 'succeeded' && item.inputDigest === kind.inputDigest(item);
}

/** One item to its end: published, or failed by name. Throws only what is no fault of the item. */
async function workItem(attempt: Attempt, found: ItemRow, kind: ItemWork): Promise<void> {
  const { db } = attempt.deps.records;
  const { attempts: most } = attempt.deps.config.items;
  for (let tries = 1; ; tries++) {
    attempt.signal.throwIfAborted();
    const item = await claimItem(db, attempt.fence, kind.stage, found.ordinal);
    if (item === undefined) return;
    await failpoint('item.claimed', item.key);
    if (!kind.isolates && item.deaths >= most) {
      await fail(
        attempt,
        item,
        kind,
        problemOf('poisonous_item', `The process died ${item.deaths} times under this item.`),
      );
      return;
    }
    try {
      await publish(attempt, item, kind, await kind.work(item, toolsFor(attempt, item)));
      return;
    } catch (error) {
      attempt.signal.throwIfAborted();
      if (error instanceof Fenced) throw error;
      const problem = problemOfError(error);
      if (isOutage(problem)) throw error;
      const mayTryAgain = problem.code === 'internal' || problem.code === 'poisonous_item';
      if (!mayTryAgain || tries >= most) {
        await fail(attempt, item, kind, problem);
        return;
      }
      attempt.log.line('warn', `${item.key}: ${problem.detail} Trying again.`);
      await retryItem(db, attempt.fence, kind.stage, item.ordinal, problem);
    }
  }
}

function toolsFor(attempt: Attempt, item: ItemRow): ItemTools {
  return {
    signal: attempt.signal,
    suspect: item.deaths > 0,
    reached: (stage) => attempt.progress.reached(item.ordinal, stage),
  };
}

async function fail(attempt: Attempt, item: ItemRow, kind: ItemWork, problem: ProblemRecord): Promise<void> {
  attempt.log.line('warn', `${item.key}: ${problem.title}. ${problem.detail}`);
  await failItem(attempt.deps.records.db, attempt.fence, kind.stage, item.ordinal, problem);
  attempt.progress.reached(item.ordinal, kind.lastStage);
}

/** Objects first, then the one write that makes them count. */
async function publish(attempt: Attempt, item: ItemRow, kind: ItemWork, outcome: ItemOutcome): Promise<void> {
  const { records, storage } = attempt.deps;
  await failpoint('item.before-write', item.key);
  if (!(await holdsItem(records.db, attempt.fence, kind.stage, item.ordinal))) {
    throw new Fenced(`Another attempt has taken item ${item.key}.`);
  }
  const files = await Promise.all(
    outcome.objects.map(async ({ key, path, body, contentType }) => {
      const sha256 = createHash('sha256').update(body).digest('hex');
      const { uri } = await storage.putBytes(key, body, { contentType, signal: attempt.signal });
      return { path, uri, bytes: body.length, sha256, contentType };
    }),
  );
  await failpoint('item.before-publish', item.key);
  const [result] = files;
  await publishItem(
    records.db,
    attempt.fence,
    kind.stage,
    item.ordinal,
    {
      inputDigest: kind.inputDigest(item),
      resultUri: result!.uri,
      sha256: result!.sha256,
      bytes: result!.bytes,
      files,
      reached: attempt.progress.ordinalOf(kind.lastStage),
    },
    outcome.record,
  );
  attempt.progress.reached(item.ordinal, kind.lastStage);
  await failpoint('item.published', item.key);
}
