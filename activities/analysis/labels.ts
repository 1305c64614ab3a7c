/** Whether the labels that a request names are a model's own. Pure. */
import { type AnalysisOptions, type OpenedModel, ProblemError } from '@darkroom/contract';

/** Of so many that are wrong, the nearest are looked for; a list of two hundred is another mistake than a slip of the pen. */
const MOST_HELPED = 10;
const MOST_NEAREST = 3;

/** What classes without a label are called by. */
const unnamed = /^class \d+$/;

/**
 * Throws `unknown_label` that names, for each label of `labels` and `thresholds` which none of the models has, the nearest ones. Where no
 * model is known, nothing is said.
 */
export function requireLabels(
  { labels, thresholds = {} }: Pick<AnalysisOptions, 'labels' | 'thresholds'>,
  models: readonly Pick<OpenedModel, 'name' | 'labels'>[],
): void {
  if (models.length === 0) return;
  const known = new Set(models.flatMap((model) => model.labels.map(({ label }) => label)));
  const asked = [
    ...labels.map((label, index) => ({ label, pointer: `/labels/${index}` })),
    ...Object.keys(thresholds).map((label) => ({ label, pointer: `/thresholds/${escaped(label)}` })),
  ];
  const wrong = asked.filter(({ label }) => !known.has(label) && !unnamed.test(label));
  if (wrong.length === 0) return;
  const names = [...new Set(models.map(({ name }) => name))].join(', ');
  const errors = wrong.slice(0, MOST_HELPED).map(({ label, pointer }) => {
    const nearest = nearestTo(label, known).join(', ');
    return { pointer, detail: `"${label}" is no label of ${names}; nearest: ${nearest}` };
  });
  const more = wrong.length > errors.length ? ` And ${wrong.length - errors.length} more.` : '';
  throw new ProblemError('unknown_label', `${errors.map(({ detail }) => detail).join('. ')}.${more}`, {
    errors,
  });
}

/** The labels that take the fewest edits to come to, in lower case; of equally near ones in their own order. */
export function nearestTo(label: string, known: Iterable<string>): string[] {
  return [...known]
    .map((candidate) => ({ candidate, edits: editDistance(label.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
    .slice(0, MOST_NEAREST)
    .map(({ candidate }) => candidate);
}

/** Levenshtein's distance: characters put in, taken out or replaced. */
export function editDistance(a: string, b: string): number {
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

/** As a part of a JSON pointer (RFC 6901). */
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
