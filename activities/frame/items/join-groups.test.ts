import type { Page } from '@darkroom/contract';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { joinGroups } from './join-groups.ts';

/** Pages behind one another, of `[group, items]` each. */
function pagesOf(...groups: readonly (readonly [string | null, number])[]): Page[] {
  let from = 1;
  return groups.map(([group, items]) => {
    const page = { from, to: from + items, ...(group !== null && { group }) };
    from = page.to;
    return page;
  });
}

const joined = (pages: Page[], next: number | null = 1000) => joinGroups({ pages, next }).pages;

test('small groups share a page, which names them all; of a large one nothing changes', () => {
  expect(joined(pagesOf(['a', 3], ['b', 150], ['c', 47], ['d', 1], ['e', 500], ['f', 2]))).toEqual([
    { from: 1, to: 201, group: 'a', joined: ['b', 'c'] },
    { from: 201, to: 202, group: 'd' },
    { from: 202, to: 702, group: 'e' },
    { from: 702, to: 704, group: 'f' },
  ]);
});

test('groups for different queues share none, nor do items without a group', () => {
  const pages = pagesOf(
    ['a', 1],
    ['mosaic:a', 1],
    ['mosaic:b:c', 1],
    ['wide:b', 1],
    [':b', 1],
    [null, 1],
    ['b', 1],
  );
  expect(joined(pages).map(({ group, joined: more }) => [group, more])).toEqual([
    ['a', undefined],
    ['mosaic:a', ['mosaic:b:c']],
    ['wide:b', undefined],
    [':b', undefined],
    [undefined, undefined],
    ['b', undefined],
  ]);
});

test('a group that lies apart is named once, and what does not follow is not joined', () => {
  expect(joined(pagesOf(['a', 1], ['b', 1], ['a', 1], ['b', 1]))).toEqual([
    { from: 1, to: 5, group: 'a', joined: ['b'] },
  ]);
  const apart = [
    { from: 1, to: 2, group: 'a' },
    { from: 3, to: 4, group: 'b' },
  ];
  expect(joined(apart)).toEqual(apart);
});

test('the last items are several pages, unless they are few', () => {
  const singles = (count: number) =>
    pagesOf(...Array.from({ length: count }, (_, nth) => [`g${nth}`, 1] as const));
  expect(joined(singles(20), null)).toHaveLength(1);
  expect(joined(singles(120), null)).toHaveLength(4);
  expect(joined(singles(120), 121)).toHaveLength(1);
});

const islands = fc.array(
  fc.tuple(fc.constantFrom('a', 'b', 'm:a', 'm:b', null), fc.integer({ min: 1, max: 260 })),
  { maxLength: 60 },
);

test('every item is in one page, in order, and every group of it is named', () => {
  fc.assert(
    fc.property(islands, fc.boolean(), (groups, isLast) => {
      const pages = pagesOf(...groups);
      const found = joined(pages, isLast ? null : 1_000_000);
      let next = 1;
      for (const page of found) {
        expect(page.from).toBe(next);
        next = page.to;
        const within = pages.filter(({ from, to }) => from >= page.from && to <= page.to);
        const names = page.group === undefined ? [] : [page.group, ...(page.joined ?? [])];
        expect(names).toEqual([...new Set(within.flatMap(({ group }) => group ?? []))]);
        if (within.length > 1) expect(page.to - page.from).toBeLessThanOrEqual(200);
      }
      expect(next).toBe(pages.at(-1)?.to ?? 1);
    }),
  );
});
