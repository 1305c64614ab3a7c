/**
 * Works on a page of the item ledger: skips what is done, bounds the page in time, publishes each item exactly once,
 * and tells the errors of an item from outages and from deaths of the process.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Page, type PageReport, type ProblemRecord, problemOf } from '@darkroom/contract';
import { failpoint } from '@darkroom/platform';
import {
  claimItem,
  type Db,
  Fenced,
  failItem,
  getStages,
  holdsItem,
  type ItemFile,
  type ItemRow,
  publishItem,
  readPage,
  releaseItems,
  retryItem,
} from '@darkroom/records';
import { activityInfo } from '@temporalio/activity';
import type { Attempt } from './attempt.ts';
import { isOutage, problemOfError } from './failure.ts';
import { type ItemObject, putObject } from './objects.ts';
import { slotsTaken } from './slots.ts';
import { Solitude } from './solitude.ts';

export interface ItemOutcome {
  /** The first one is the item's result. */
  readonly objects: readonly [ItemObject, ...ItemObject[]];
  /** Files of the item that an earlier stage has written. */
  readonly written?: readonly ItemFile[];
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
  /**
   * No item is begun after this many milliseconds while others may wait; the rest of the page waits its turn behind them. As long as
   * the worker has a slot free nobody waits, and a page may take {@link unhurried} times as long.
   */
  readonly budgetMs: number;
  /** What the item's bytes are a function of; equal to the ledger's, an earlier result is reused. */
  inputDigest(item: ItemRow): string;
  work(item: ItemRow, tools: ItemTools): Promise<ItemOutcome>;
}

/** How long a page waits for records that are away, to give its items back. */
const longestReleaseMs = 5 * 60_000;

const solitude = new Solitude();

export async function workPage(attempt: Attempt, page: Page, kind: ItemWork): Promise<PageReport> {
  const { records } = attempt.deps;
  const began = Date.now();
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let next: number | null = null;
  let begun = 0;

  try {
    for (const item of await readPage(records.db, attempt.call.jobId, kind.stage, page.from, page.to)) {
      if (isDone(item, kind, attempt)) continue;
      while (running.size >= kind.concurrency) await Promise.race(running);
      if (failure !== undefined) break;
      attempt.signal.throwIfAborted();
      // One at least, or a page whose reading alone takes that long would go round for ever.
      if (begun > 0 && Date.now() - began >= budgetOf(attempt, kind)) {
        next = item.ordinal;
        break;
      }
      attempt.cursor = item.ordinal;
      begun++;
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
    await release(attempt);
    throw error;
  }
  await attempt.progress.close();
  return { next, stages: await getStages(records.db, attempt.call.jobId) };
}

/**
 * Gives back what the attempt has in hand, so that it is nobody's death. While the records are away it waits for them: an
 * outage would count as one.
 */
async function release(attempt: Attempt): Promise<void> {
  const until = Date.now() + longestReleaseMs;
  for (;;) {
    try {
      await releaseItems(attempt.deps.records.db, attempt.fence);
      return;
    } catch (error) {
      if (!isOutage(problemOfError(error)) || attempt.signal.aborted || Date.now() > until) return;
      await sleep(500, undefined, { signal: attempt.signal }).catch(() => {});
    }
  }
}

/** An activity costs about as much as a photo: where nobody waits, few large pages are better than many small ones. */
const unhurried = 5;

function budgetOf(attempt: Attempt, { budgetMs }: ItemWork): number {
  const slots = attempt.deps.config.worker.maxActivities;
  return slotsTaken(activityInfo().taskQueue) < slots ? budgetMs * unhurried : budgetMs;
}

function isDone(item: ItemRow, kind: ItemWork, attempt: Attempt): boolean {
  if (item.state === 'failed') return item.run === attempt.call.run;
  return item.state === 'succeeded' && item.inputDigest === kind.inputDigest(item);
}

/**
 * One item to its end: published, or failed by name. Throws only what is no fault of the item. Where the process has died
 * too often under it, it is worked on alone; another death then is its own.
 */
async function workItem(attempt: Attempt, found: ItemRow, kind: ItemWork): Promise<void> {
  const { attempts: most } = attempt.deps.config.items;
  const abandoned = found.state === 'running' && found.run === attempt.call.run;
  const alone = found.deaths + Number(abandoned) >= most;
  for (let tries = 1; ; tries++) {
    const ended = await solitude.run(alone, attempt.signal, () =>
      tryItem(attempt, found, kind, { last: tries >= most }),
    );
    if (ended) return;
  }
}

/** One try; false when the item may be tried again. */
async function tryItem(
  attempt: Attempt,
  { ordinal }: ItemRow,
  kind: ItemWork,
  { last }: { last: boolean },
): Promise<boolean> {
  const { db } = attempt.deps.records;
  const { attempts: most } = attempt.deps.config.items;
  attempt.signal.throwIfAborted();
  const item = await claimItem(db, attempt.fence, kind.stage, ordinal);
  if (item === undefined) return true;
  await failpoint('item.claimed', item.key);
  if (item.deaths > most) {
    const detail = `The process died ${item.deaths} times under this item, the last time under it alone.`;
    await fail(attempt, item, kind, problemOf('poisonous_item', detail));
    return true;
  }
  try {
    await publish(attempt, item, kind, await kind.work(item, toolsFor(attempt, item)));
    return true;
  } catch (error) {
    attempt.signal.throwIfAborted();
    if (error instanceof Fenced) throw error;
    const problem = problemOfError(error);
    if (isOutage(problem)) throw error;
    const mayTryAgain = problem.code === 'internal' || problem.code === 'poisonous_item';
    if (!mayTryAgain || last) {
      await fail(attempt, item, kind, problem);
      return true;
    }
    attempt.log.line('warn', `${item.key}: ${problem.detail} Trying again.`);
    await retryItem(db, attempt.fence, kind.stage, item.ordinal, problem);
    return false;
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
  const { records } = attempt.deps;
  await failpoint('item.before-write', item.key);
  if (!(await holdsItem(records.db, attempt.fence, kind.stage, item.ordinal))) {
    throw new Fenced(`Another attempt has taken item ${item.key}.`);
  }
  const files = await Promise.all(outcome.objects.map((object) => putObject(attempt, object)));
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
      files: [...files, ...(outcome.written ?? [])],
      reached: attempt.progress.ordinalOf(kind.lastStage),
    },
    outcome.record,
  );
  attempt.progress.reached(item.ordinal, kind.lastStage);
  await failpoint('item.published', item.key);
}
