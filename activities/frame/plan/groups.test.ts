import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GroupedOrdinals } from './groups.ts';

type Place = { group?: string | undefined; at?: number | undefined };

function grouped(places: readonly Place[]): GroupedOrdinals {
  const all = new GroupedOrdinals();
  for (const place of places) all.add(place);
  return all;
}

test('groups lie in the order of their first items, items within them by their places, then as they came', () => {
  const all = grouped([
    { group: 'b', at: 7 },
    { group: 'a', at: 2 },
    { group: 'b', at: -1 },
    {},
    { group: 'a' },
    { group: 'b', at: 7 },
  ]);
  expect([...all.ordinals()]).toEqual([2, 5, 1, 6, 4, 3]);
  expect([0, 1, 3, 6].map((index) => all.isOf(index, 'b'))).toEqual([true, false, false, false]);
  expect(all.isOf(3, undefined)).toBe(true);
});

const place = fc.record(
  { group: fc.constantFrom('a', 'b', 'c'), at: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
  { requiredKeys: [] },
);

test('ordinals are those of a stable sort', () => {
  fc.assert(
    fc.property(fc.array(place, { maxLength: 3000, size: 'max' }), (places) => {
      const firsts = [...new Set(places.map(({ group }) => group))];
      const sorted = places
        .map(({ group, at = 0 }, index) => ({ group: firsts.indexOf(group), at, index }))
        .sort((one, other) => one.group - other.group || one.at - other.at || one.index - other.index);
      const expected = new Array<number>(places.length);
      sorted.forEach(({ index }, nth) => {
        expected[index] = nth + 1;
      });
      expect([...grouped(places).ordinals()]).toEqual(expected);
    }),
  );
});

test('a list of more groups than are held is refused', () => {
  const all = grouped(Array.from({ length: 100_000 }, (_, nth) => ({ group: `g${nth}` })));
  expect(() => all.add({ group: 'g7' })).not.toThrow();
  expect(() => all.add({ group: 'another' })).toThrow('more than 100000 groups');
});
