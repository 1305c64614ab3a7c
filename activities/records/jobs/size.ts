/** How large a job is, by what its kind measures it in. Pure. */
import type { KindDefinition, Size } from '@darkroom/contract';

/** What these items of a stage add to the size of their job; undefined of a kind that measures none. */
export function sizeOf(
  { sizes }: Pick<KindDefinition, 'sizes'>,
  stage: string,
  items: readonly { readonly input: object }[],
): Size | undefined {
  if (sizes === undefined) return undefined;
  const size: Record<string, number> = {};
  for (const [feature, of] of Object.entries(sizes)) {
    let sum = 0;
    for (const { input } of items) sum += of({ stage, input });
    if (sum !== 0) size[feature] = sum;
  }
  return size;
}

/** The sizes of a job's stages together. */
export function sizeTogether(sizes: Iterable<Size | null>): Size {
  const together: Record<string, number> = {};
  for (const size of sizes)
    for (const [feature, amount] of Object.entries(size ?? {}))
      together[feature] = (together[feature] ?? 0) + amount;
  return together;
}

/** The most of a feature that a job of the kind may have: as `settings` say by `kind.feature`, else as the kind does; undefined: any. */
const mostOf = ({ kind, limits }: KindDefinition, settings: Size, feature: string): number | undefined =>
  settings[`${kind}.${feature}`] ?? limits?.[feature];

/** What a job of that size has too much of, in words that name the setting; undefined when it may be as large. */
export function overLimit(kind: KindDefinition, size: Size, settings: Size): string | undefined {
  for (const [feature, amount] of Object.entries(size)) {
    const most = mostOf(kind, settings, feature);
    if (most !== undefined && amount > most)
      return `The job has ${amount} ${feature}; the limit is ${most} (JOB_LIMITS, ${kind.kind}.${feature}).`;
  }
  return undefined;
}
