/** Small groups in one page: an activity costs about as much as some dozen items of most kinds. */
import type { GroupPages, Page } from '@darkroom/contract';

/** Items of a page that several groups share, at most. */
const mostItems = 200;
/** Fewer items than that have no need of another page. */
const fewItems = 24;
/** Pages that the last items make at least, so that those who work on them end together. */
const lastPages = 4;

/**
 * The same items in fewer pages: groups that follow one another share one for as long as they are few items together, and what stands
 * before the first `:` in their names is the same, or neither has one. Items without a group share none.
 */
export function joinGroups({ pages, next }: GroupPages): GroupPages {
  const most = next === null ? mostOfLast(pages) : mostItems;
  const joined: Page[] = [];
  for (const page of pages) {
    const before = joined.at(-1);
    if (before !== undefined && mayJoin(before, page) && page.to - before.from <= most)
      joined[joined.length - 1] = togetherOf(before, page);
    else joined.push(page);
  }
  return { pages: joined, next };
}

function mostOfLast(pages: readonly Page[]): number {
  const left = pages.reduce((sum, { from, to }) => sum + to - from, 0);
  return Math.min(mostItems, Math.max(fewItems, Math.ceil(left / lastPages)));
}

const mayJoin = (before: Page, { from, group }: Page): boolean =>
  before.to === from &&
  before.group !== undefined &&
  group !== undefined &&
  classOf(before.group) === classOf(group);

function togetherOf({ joined = [], ...before }: Page, { to, group }: Page): Page {
  // A part of the same group has its name already.
  const names = group === undefined || group === before.group || joined.includes(group) ? [] : [group];
  const all = [...joined, ...names];
  return { ...before, to, ...(all.length > 0 && { joined: all }) };
}

/** What stands before the first `:`; nothing where there is none. */
const classOf = (group: string): string | undefined => /^(.*?):/s.exec(group)?.[1];
