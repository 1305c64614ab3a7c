/** The labels nearest to one that nobody has, in bounded time: a request with wrong labels must not hold up others. Pure. */

const MOST_NEAREST = 3;

/** Cells of the table of edits that are filled in for one request, some tens of milliseconds: as many as 10,000 labels of 20 characters have. */
const MOST_CELLS = 4_000_000;

/** What was spent on looking for labels, in cells of the table of edits. */
export interface Work {
  cells: number;
}

interface Known {
  readonly label: string;
  readonly lower: string;
  readonly index: number;
}

/**
 * For each of `wanted` the up to three of `known` that take the fewest edits to come to, in lower case; of equally near ones in their own
 * order. Those of like length are looked at first; where more than {@link MOST_CELLS} cells would be needed, it is the nearest of
 * what was looked at, each of `wanted` having an equal share.
 */
export function nearLabels(
  wanted: readonly string[],
  known: Iterable<string>,
  work: Work = { cells: 0 },
): string[][] {
  const lengths = byLength(known);
  return wanted.map((label, index) => {
    const share = (MOST_CELLS - work.cells) / (wanted.length - index);
    return nearTo(label.toLowerCase(), lengths, work, work.cells + share);
  });
}

function nearTo(wanted: string, lengths: ReadonlyMap<number, Known[]>, work: Work, most: number): string[] {
  const best: (Known & { readonly edits: number })[] = [];
  const bound = () => best[MOST_NEAREST - 1]?.edits ?? Number.POSITIVE_INFINITY;
  const furthest = Math.max(wanted.length, ...lengths.keys());
  // As many edits at least as the lengths differ by.
  for (let apart = 0; apart <= furthest && apart <= bound() && work.cells < most; apart++) {
    for (const length of new Set([wanted.length - apart, wanted.length + apart])) {
      for (const candidate of lengths.get(length) ?? []) {
        if (work.cells >= most) break;
        const edits = editDistance(wanted, candidate.lower, bound(), work);
        if (edits === undefined) continue;
        best.push({ ...candidate, edits });
        best.sort((a, b) => a.edits - b.edits || a.index - b.index);
        best.length = Math.min(best.length, MOST_NEAREST);
      }
    }
  }
  return best.map(({ label }) => label);
}

function byLength(known: Iterable<string>): Map<number, Known[]> {
  const lengths = new Map<number, Known[]>();
  let index = 0;
  for (const label of known) {
    const lower = label.toLowerCase();
    const same = lengths.get(lower.length) ?? [];
    same.push({ label, lower, index: index++ });
    lengths.set(lower.length, same);
  }
  return lengths;
}

/**
 * Levenshtein's distance: characters put in, taken out or replaced; undefined where it is more than `most`, which is known early: only cells
 * within `most` of the diagonal are filled in, until a row has none that is as near (Ukkonen 1985).
 */
export function editDistance(
  a: string,
  b: string,
  most = Number.POSITIVE_INFINITY,
  work: Work = { cells: 0 },
): number | undefined {
  if (Math.abs(a.length - b.length) > most) return undefined;
  const far = Math.min(most, Math.max(a.length, b.length)) + 1;
  let row = Uint32Array.from({ length: b.length + 1 }, (_, j) => Math.min(j, far));
  let next = new Uint32Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    const from = Math.max(1, i - far + 1);
    const to = Math.min(b.length, i + far - 1);
    next.fill(far);
    if (i < far) next[0] = i;
    let nearest = next[0] ?? far;
    for (let j = from; j <= to; j++) {
      const replaced = (row[j - 1] ?? far) + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1);
      const edits = Math.min(replaced, (row[j] ?? far) + 1, (next[j - 1] ?? far) + 1, far);
      next[j] = edits;
      nearest = Math.min(nearest, edits);
    }
    // A row costs something even where it has no cell.
    work.cells += Math.max(0, to - from) + 1;
    if (nearest >= far) return undefined;
    [row, next] = [next, row];
  }
  const edits = row[b.length] ?? far;
  return edits >= far ? undefined : edits;
}
