import { expect, test } from 'vitest';
import { MeasuredPages } from './measured-pages.ts';

/** The sizes of all pages, where an item takes so long from the first page on. */
const sizesOf = (items: number, itemMs?: number): number[] => {
  const pages = new MeasuredPages(items);
  const found: number[] = [];
  for (const { from, to } of pages) {
    found.push(to - from);
    pages.measured(itemMs);
  }
  return found;
};

test('pages cover all items once, whatever is measured', () => {
  for (const itemMs of [undefined, 0, 0.2, 30, 900, 60_000]) {
    for (const items of [1, 24, 25, 3000]) {
      const pages = new MeasuredPages(items);
      let next = 1;
      for (const { from, to } of pages) {
        expect(from).toBe(next);
        expect(to).toBeGreaterThan(from);
        next = to;
        pages.measured(itemMs);
      }
      expect(next).toBe(items + 1);
    }
  }
  expect(sizesOf(60)).toEqual([24, 24, 12]);
});

test('items of no time share few pages, long ones have few in a page, and the last pages are shared out', () => {
  const quick = sizesOf(100_000, 0.3);
  expect(quick[0]).toBe(24);
  expect(Math.max(...quick)).toBe(5000);
  expect(quick.length).toBeLessThan(60);
  expect(quick.at(-1)).toBeLessThanOrEqual(24);
  expect(sizesOf(100, 1000).slice(0, 4)).toEqual([24, 5, 5, 5]);
  expect(sizesOf(27, 60_000)).toEqual([24, 1, 1, 1]);
});

test('the last measurement counts as much as all before', () => {
  const pages = new MeasuredPages(1000);
  const source = pages[Symbol.iterator]();
  source.next();
  pages.measured(100);
  pages.measured(300);
  const { value } = source.next();
  expect(value.to - value.from).toBe(25);
});
