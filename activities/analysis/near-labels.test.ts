import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearLabels } from './near-labels.ts';

/** The definition, cell by cell. */
function plainDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'C', 'ß', ' '), maxLength: 9 });

describe('nearLabels', () => {
  it('are near by the edits between them', () => {
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(nearLabels(['Persn'], ['cat', 'person', 'parson'])).toEqual([['person', 'parson', 'cat']]);
    expect(nearLabels(['cat'], [])).toEqual([[]]);
  });

  it('are those that comparing with each would give', () => {
    fc.assert(
      fc.property(word, fc.uniqueArray(word, { maxLength: 12 }), (label, known) => {
        const edits = (candidate: string) => plainDistance(label.toLowerCase(), candidate.toLowerCase());
        const sorted = known.toSorted((a, b) => edits(a) - edits(b));
        expect(nearLabels([label], known)).toEqual([sorted.slice(0, 3)]);
      }),
    );
    fc.assert(
      fc.property(word, word, fc.nat(9), (a, b, most) => {
        const edits = plainDistance(a, b);
        expect(editDistance(a, b, most)).toBe(edits > most ? undefined : edits);
      }),
    );
  });

  it('take a bounded amount of work, however many and long the labels are', () => {
    // As different as can be: nothing is to be left out by its length, or early.
    const text = (seed: number, length: number) => {
      let state = seed;
      return Array.from({ length }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return String.fromCharCode(97 + Math.floor((state / 2 ** 32) * 26));
      }).join('');
    };
    const known = Array.from({ length: 10_000 }, (_, n) => text(n, 100));
    const work = { cells: 0 };
    const wanted = Array.from({ length: 10 }, (_, n) => text(n + 20_000, 100));
    for (const near of nearLabels(wanted, known, work)) expect(near).toHaveLength(3);
    expect(work.cells).toBeGreaterThan(3_900_000);
    // All cells of all tables are 1,000,000,000.
    expect(work.cells).toBeLessThan(4_000_000 + 10_000 + 1);
  });

  it('are found among ten thousand of usual length', () => {
    const known = Array.from({ length: 10_000 }, (_, n) => `${n.toString(36)} warbler ${n}`);
    expect(nearLabels(['5yb Warbler 7715'], known)[0]?.[0]).toBe('5yb warbler 7715');
    expect(nearLabels(['5yb wrbler 771'], known)[0]?.[0]).toBe('5yb warbler 7715');
  });
});
