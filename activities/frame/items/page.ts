/** Works on a page of the item ledger: skips what is done, bounds the page in time, and ends each item exactly once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Page, type PageReport, pageSeconds, sharedQueue } from '@darkroom/contract';
import { getStages, type ItemRow, readPage, releaseItems } from '@darkroom/records';
import { activityInfo } from '@temporalio/activity';
import type { Attempt } from '../attempt/attempt.ts';
import { isOutage, problemOfError } from '../attempt/failure.ts';
import { hasFreeSlot } from '../attempt/slots.ts';
import { ClaimsAhead, claimSize } from './claims.ts';
import { Places } from './places.ts';
import { type ItemWork, ItemWorker } from './work.ts';

/** Rows read at a time. */
const rowsInHand = 500;
/** Items of a page that have begun and not ended, those included whose row is being written. */
const mostOpen = 256;
/** How long a page waits for records that are away, to give its items back. */
const longestReleaseMs = 5 * 60_000;
/** An activity costs about as much as a small item: where nobody waits, few large pages are better than many small ones. */
const unhurried = 5;

export async function workPage<Row extends object = never>(
  attempt: Attempt,
  page: Page,
  kind: ItemWork<Row>,
): Promise<PageReport> {
  const { records } = attempt.deps;
  const began = Date.now();
  const open = new Places(mostOpen);
  const hands = new Places(kind.concurrency);
  const worker = new ItemWorker(attempt, kind, hands);
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let next: number | null = null;
  let begun = 0;
  /** Whether it has begun an item that nobody shares a page with. */
  let full = false;
  let ended = 0;
  const msAnItem = (): number | undefined => (ended === 0 ? undefined : (Date.now() - began) / ended);
  const claims = new ClaimsAhead(unfinished(attempt, page, kind), {
    claim: (items) => worker.claim(items),
    mayHarm: ({ run, deaths, state }) => run === attempt.call.run && (deaths > 0 || state === 'running'),
    size: () => claimSize(msAnItem() ?? 100 / kind.concurrency),
  });

  try {
    for (;;) {
      await open.take();
      await hands.take();
      if (failure !== undefined) break;
      attempt.signal.throwIfAborted();
      const ready = await claims.next();
      if (ready === undefined || failure !== undefined) break;
      const apart = worker.needsPage(ready);
      // One at least, or a page whose reading alone takes that long would go round for ever.
      if (begun > 0 && (full || apart || Date.now() - began >= budgetOf(attempt, kind))) {
        next = ready.item.ordinal;
        break;
      }
      begun++;
      full = apart;
      const work = worker
        .run(ready)
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => {
          ended++;
          running.delete(work);
          open.leave();
        });
      running.add(work);
    }
    worker.last();
    await claims.settle();
    // Claimed, and left to the next page: before the rest of this one ends, since a process that dies meanwhile did not die of them.
    if (next !== null) await releaseItems(records.db, attempt.fence, kind.stage, { from: next, to: page.to });
    await Promise.all(running);
    if (failure !== undefined) throw failure.error;
  } catch (error) {
    worker.last();
    await Promise.all(running);
    await claims.settle();
    await release(attempt, page, kind);
    throw error;
  }
  const ends = page.whole === true && next === null && kind.publish !== undefined;
  const end = ends ? await kind.publish?.() : undefined;
  await attempt.progress.close();
  // Those that were done already count, too: a page of them is to be followed by larger ones.
  const itemMs = (Date.now() - began) / ((next ?? page.to) - page.from);
  const stages = await getStages(records.db, attempt.call.jobId);
  return {
    next,
    stages,
    itemMs,
    ...(end && { end }),
    ...openAt(attempt, page),
  };
}

/** Where the page's group is open now, if its worker can be asked for it. */
const openAt = ({ deps: { ownQueue } }: Attempt, { group }: Page): { openAt?: string } =>
  group === undefined || ownQueue === undefined ? {} : { openAt: ownQueue };

/** The items of a page that are still to be worked on; holds some of its rows in memory. */
async function* unfinished(
  attempt: Attempt,
  { from, to }: Page,
  kind: Pick<ItemWork, 'stage' | 'inputDigest'>,
): AsyncGenerator<ItemRow> {
  const { db } = attempt.deps.records;
  for (let first = from; first < to; first += rowsInHand) {
    const last = Math.min(to, first + rowsInHand);
    for (const item of await readPage(db, attempt.call.jobId, kind.stage, first, last)) {
      if (!(await isDone(item, kind, attempt))) yield item;
    }
  }
}

async function isDone(
  item: ItemRow,
  kind: Pick<ItemWork, 'inputDigest'>,
  attempt: Attempt,
): Promise<boolean> {
  if (item.state === 'failed') return item.run === attempt.call.run;
  return item.state === 'succeeded' && item.inputDigest === (await kind.inputDigest(item));
}

/**
 * Sets the attempt's running items back to pending: an item still `running` at the next claim counts a death of the process.
 * Retries while the records are away, or their outage would be counted as a death.
 */
async function release(attempt: Attempt, page: Page, { stage }: Pick<ItemWork, 'stage'>): Promise<void> {
  const until = Date.now() + longestReleaseMs;
  for (;;) {
    try {
      await releaseItems(attempt.deps.records.db, attempt.fence, stage, page);
      return;
    } catch (error) {
      if (!isOutage(problemOfError(error)) || attempt.signal.aborted || Date.now() > until) return;
      await sleep(500, undefined, { signal: attempt.signal }).catch(() => {});
    }
  }
}

function budgetOf({ deps }: Attempt, { budgetMs }: Pick<ItemWork, 'budgetMs'>): number {
  const { taskQueue } = activityInfo();
  const set = deps.config.worker.pageSeconds[sharedQueue(taskQueue)] ?? pageSeconds;
  const budget = budgetMs ?? set * 1000;
  return hasFreeSlot(taskQueue) ? budget * unhurried : budget;
}
