/** Which ranges are read for the pieces that are wanted: few, bounded, with small gaps read through. */

/** Bytes `start` ≤ … < `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A gap that costs less to read than another request. */
const SMALL_GAP = 64 * 1024;
/** More ranges than this are made fewer by reading larger gaps, the smallest first… */
const FEW = 2;
/** …as long as these are no more bytes than this. */
const LARGE_GAPS = 3 * 2 ** 20;
/** Of a range that is made of several pieces. */
const MAX_RANGE = 8 * 2 ** 20;

/**
 * Ranges that hold all `pieces` (sorted by start; they may overlap). Gaps are read through where a request more would cost more: small ones
 * always, and larger ones while more than two ranges are left. A piece is never divided, and what holds several is no more than 8 MiB.
 */
export function coalesce(pieces: readonly Range[]): Range[] {
  const runs: { start: number; end: number }[] = [];
  for (const { start, end } of pieces) {
    const last = runs.at(-1);
    if (last !== undefined && start <= last.end && Math.max(end, last.end) - last.start <= MAX_RANGE) {
      last.end = Math.max(last.end, end);
    } else runs.push({ start, end });
  }
  if (runs.length < 2) return runs;
  const gaps = runs
    .slice(1)
    .map(({ start }, i) => ({ after: i, bytes: start - runs[i]!.end }))
    .sort((a, b) => a.bytes - b.bytes || a.after - b.after);
  const bridged = new Set<number>();
  let large = LARGE_GAPS;
  for (const { after, bytes } of gaps) {
    if (bytes > SMALL_GAP) {
      if (runs.length - bridged.size <= FEW || bytes > large) break;
      large -= bytes;
    }
    bridged.add(after);
  }
  const ranges: { start: number; end: number }[] = [];
  runs.forEach(({ start, end }, i) => {
    const last = ranges.at(-1);
    if (last !== undefined && bridged.has(i - 1) && end - last.start <= MAX_RANGE)
      last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  });
  return ranges;
}

/** Which pieces each of their ranges holds; both are sorted by their start. */
export function assign<P extends Range>(pieces: readonly P[], ranges: readonly Range[]): Map<Range, P[]> {
  const byRange = new Map<Range, P[]>(ranges.map((range) => [range, []]));
  let i = 0;
  for (const piece of pieces) {
    while (piece.start < ranges[i]!.start || piece.end > ranges[i]!.end) i++;
    byRange.get(ranges[i]!)!.push(piece);
  }
  return byRange;
}
