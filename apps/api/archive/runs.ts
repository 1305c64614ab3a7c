/** Files that lie beside each other in one object and follow one another in an archive: they are read by one request. */
import type { Segment } from './layout.ts';

export type ObjectSegment = Segment & { readonly kind: 'object' };

/** Pieces of an archive whose files are `range` of the object at `uri`, without a gap; at least two. */
export interface Run {
  readonly kind: 'run';
  readonly uri: string;
  readonly range: { readonly start: number; readonly length: number };
  readonly segments: readonly (ObjectSegment | (Segment & { readonly kind: 'bytes' }))[];
}

export type Piece = Segment | Run;

/** Of an object, what a segment is; all of it without a range. */
export function objectRange({ file, start, length }: ObjectSegment): {
  readonly uri: string;
  readonly range: { readonly start: number; readonly length: number } | undefined;
} {
  const { uri, range, bytes } = file;
  if (range === undefined && length === bytes) return { uri, range: undefined };
  return { uri, range: { start: (range?.start ?? 0) + start, length } };
}

/** Files of a run: what is held of them is their headers. */
const mostFiles = 64;

/** The same pieces in their order, with runs in place of those that they are made of. */
export async function* runsOf(segments: AsyncIterable<Segment>): AsyncGenerator<Piece, void, undefined> {
  let held: Run['segments'][number][] = [];
  let at: { readonly uri: string; readonly start: number; readonly end: number } | undefined;
  let files = 0;
  const cut = (): Piece[] => {
    const run = held;
    const place = at;
    const isRun = files > 1;
    held = [];
    at = undefined;
    files = 0;
    if (place === undefined || !isRun) return run;
    const range = { start: place.start, length: place.end - place.start };
    return [{ kind: 'run', uri: place.uri, range, segments: run }];
  };
  for await (const segment of segments) {
    if (segment.kind === 'bytes') {
      // A run goes on behind one header; where no file comes, there may be many more.
      if (held.at(-1)?.kind === 'bytes') yield* cut();
      if (at === undefined) yield segment;
      else held.push(segment);
      continue;
    }
    // What is to be computed from the content is not told apart within a run.
    const isPacked = segment.kind === 'object' && segment.file.range && segment.file.crc32 !== undefined;
    if (!isPacked) {
      yield* cut();
      yield segment;
      continue;
    }
    const { uri, range } = objectRange(segment);
    const { start, length } = range!;
    if (at !== undefined && (at.uri !== uri || at.end !== start || files >= mostFiles)) yield* cut();
    at = { uri, start: at?.start ?? start, end: start + length };
    files++;
    held.push(segment);
  }
  yield* cut();
}
