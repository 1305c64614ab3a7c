/** Whether the labels that a request names are a model's own. Pure. */
import { type AnalysisOptions, type OpenedModel, ProblemError } from '@darkroom/contract';
import { nearLabels } from './near-labels.ts';

/** Of so many that are wrong, the nearest are looked for; a list of two hundred is another mistake than a slip of the pen. */
const MOST_HELPED = 10;

/** What classes without a label are called by. */
const unnamed = /^class \d+$/;

/**
 * Throws `unknown_label` that names, for each label of `labels` and `thresholds` which none of the models has, the nearest ones of those that
 * have any. Where no model is known, nothing is said.
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
  const helped = wrong.slice(0, MOST_HELPED);
  const near = nearLabels(
    helped.map(({ label }) => label),
    known,
  );
  const errors = helped.map(({ label, pointer }, index) => {
    const nearest = near[index]?.join(', ') ?? '';
    const help = nearest === '' ? ', which has none' : `; nearest: ${nearest}`;
    return { pointer, detail: `"${label}" is no label of ${names}${help}` };
  });
  const more = wrong.length > errors.length ? ` And ${wrong.length - errors.length} more.` : '';
  throw new ProblemError('unknown_label', `${errors.map(({ detail }) => detail).join('. ')}.${more}`, {
    errors,
  });
}

/** As a part of a JSON pointer (RFC 6901). */
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
