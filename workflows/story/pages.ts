/** Works on pages, some at a time. Promises and cancellation scopes alone, so that it replays as it ran. */
import type { OpenPage, Page } from '@darkroom/contract';
import { CancellationScope } from '@temporalio/workflow';

export interface PageWork {
  /** Pages worked on at a time; of a group never more than one. */
  readonly atOnce: number;
  /** Pages from an earlier run that come first. */
  readonly open?: readonly OpenPage[] | undefined;
  /** Resolves with what is left of the page when its turn is over. */
  work(page: OpenPage): Promise<OpenPage | undefined>;
  /** Whether what is left of a page comes next, or behind the pages that were found: asked once, when something is left. */
  restIsNext(): boolean;
  /** Asked before each page; once true, what runs is brought to its end and nothing more is begun. */
  pause(): boolean;
}

/** What a pause left over. */
export interface LeftOver {
  readonly open: readonly OpenPage[];
  /** Ordinal behind all pages that were found; undefined when none was. */
  readonly found: number | undefined;
}

/** The groups that the items of a page belong to. */
const groupsOf = ({ group, joined = [] }: Page): readonly string[] =>
  group === undefined ? joined : [group, ...joined];

/** Pages found that may wait for another one of their group before the search does. */
const mostWaiting = 100;

/**
 * Works on all `pages`; the next one is found while others are worked on. Resolves with what was left over by a pause, undefined when all
 * is done. The first error, a cancel too, stops the search and the other pages, and is thrown when all of them have ended.
 */
export async function workOnPages(
  pages: Iterable<Page> | AsyncIterable<Page>,
  { atOnce, open: earlier = [], work, restIsNext, pause }: PageWork,
): Promise<LeftOver | undefined> {
  const source = Symbol.asyncIterator in pages ? pages[Symbol.asyncIterator]() : pages[Symbol.iterator]();
  const underWay = new Set<Promise<void>>();
  const groups = new Set<string>();
  const rests = [...earlier];
  const waiting: Page[] = [];
  let restsFirst: boolean | undefined = earlier.length > 0 ? true : undefined;
  let found: Page | undefined;
  let foundTo: number | undefined;
  let exhausted = false;
  let seeking = false;
  let working = 0;
  const failures: unknown[] = [];

  const isFree = (page: Page): boolean => !groupsOf(page).some((group) => groups.has(group));
  /** The page whose turn it is. */
  const due = (): OpenPage | undefined =>
    restsFirst === false
      ? (found ?? rests[0])
      : (rests.find(isFree) ?? waiting.find(isFree) ?? (found && isFree(found) ? found : undefined));
  const remove = (page: OpenPage): void => {
    if (page === found) found = undefined;
    for (const line of [rests, waiting]) {
      const at = line.indexOf(page);
      if (at >= 0) line.splice(at, 1);
    }
  };

  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    const track = (task: Promise<void>): void => {
      const tracked = task
        .catch((error: unknown) => {
          failures.push(error);
          scope.cancel();
        })
        .finally(() => underWay.delete(tracked));
      underWay.add(tracked);
    };
    const take = (next: IteratorResult<Page>): void => {
      if (next.done === true) exhausted = true;
      else {
        found = next.value;
        foundTo = found.to;
      }
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
    const launch = (page: OpenPage): void => {
      working++;
      for (const group of groupsOf(page)) groups.add(group);
      track(
        work(page)
          .then((rest) => {
            if (rest === undefined) return;
            restsFirst ??= restIsNext();
            rests.push(rest);
          })
          .finally(() => {
            working--;
            for (const group of groupsOf(page)) groups.delete(group);
          }),
      );
    };

    while (failures.length === 0) {
      if (found === undefined && !exhausted && !seeking) seek();
      if (found !== undefined && !isFree(found) && waiting.length < mostWaiting) {
        waiting.push(found);
        found = undefined;
        continue;
      }
      const page = due();
      if (page !== undefined && pause()) break;
      if (page !== undefined && working < atOnce) {
        remove(page);
        launch(page);
      } else if (underWay.size > 0) await Promise.race(underWay);
      else if (exhausted) break;
    }
    await Promise.all(underWay);
    if (!exhausted) await source.return?.();
  });
  if (failures.length > 0) throw failures[0];
  const open = [...rests, ...waiting, ...(found === undefined ? [] : [found])];
  return open.length === 0 ? undefined : { open, found: foundTo };
}
