/** Works on pages, some at a time. Promises and cancellation scopes alone, so that it replays as it ran. */
import type { Page } from '@darkroom/contract';
import { CancellationScope } from '@temporalio/workflow';

export interface LaneWork {
  /** Pages worked on at a time. */
  readonly lanes: number;
  /** Resolves with what is left of the page when its turn is over; that waits behind the pages that were found. */
  work(page: Page): Promise<Page | undefined>;
  /** Asked before each page; once true, what runs is brought to its end and nothing more is begun. */
  pause(): boolean;
}

/**
 * Works on all `pages`; the next one is found while others are worked on. Resolves with the first ordinal that was left
 * over by a pause, undefined when all is done. The first error, a cancel too, stops the search and the other lanes, and is
 * thrown when all of them have ended.
 */
export async function workInLanes(
  pages: Iterable<Page> | AsyncIterable<Page>,
  { lanes, work, pause }: LaneWork,
): Promise<number | undefined> {
  const source = Symbol.asyncIterator in pages ? pages[Symbol.asyncIterator]() : pages[Symbol.iterator]();
  const open = new Set<Promise<void>>();
  const rests: Page[] = [];
  let found: Page | undefined;
  let exhausted = false;
  let seeking = false;
  let working = 0;
  let failure: { error: unknown } | undefined;

  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    const track = (task: Promise<void>): void => {
      const tracked = task
        .catch((error: unknown) => {
          failure ??= { error };
          scope.cancel();
        })
        .finally(() => open.delete(tracked));
      open.add(tracked);
    };
    const take = (next: IteratorResult<Page>): void => {
      if (next.done === true) exhausted = true;
      else found = next.value;
    };
    const seek = (): void => {
      const next = source.next();
      if ('then' in next) {
        seeking = true;
        track(
          next.then(take).finally(() => {
            seeking = false;
          }),
        );
      } else take(next);
    };
    const launch = (page: Page): void => {
      working++;
      track(
        work(page)
          .then((rest) => {
            if (rest !== undefined) rests.push(rest);
          })
          .finally(() => {
            working--;
          }),
      );
    };

    while (failure === undefined) {
      if (found === undefined && !exhausted && !seeking) seek();
      const page = found ?? rests[0];
      if (page !== undefined && pause()) break;
      if (page !== undefined && working < lanes) {
        if (page === found) found = undefined;
        else rests.shift();
        launch(page);
      } else if (open.size > 0) await Promise.race(open);
      else if (exhausted) break;
    }
    await Promise.all(open);
    if (!exhausted) await source.return?.();
  });
  if (failure !== undefined) throw (failure as { error: unknown }).error;
  const left = found === undefined ? rests : [found, ...rests];
  return left.length === 0 ? undefined : Math.min(...left.map((page) => page.from));
}
