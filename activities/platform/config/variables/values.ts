/** Shapes that many variables have. */
import { z } from 'zod';

export const text = z.string();
/** Values by name, `a=1,b=2`, as a record. */
export const byName = <V>(value: z.ZodType<V>) =>
  text
    .transform((list, { addIssue }): Record<string, unknown> => {
      const pairs = list.split(',').map((pair) => pair.split('='));
      for (const [name = '', ...rest] of pairs)
        if (name.trim() === '' || rest.length !== 1)
          addIssue('expected name=value, more of them separated by commas');
      return Object.fromEntries(pairs.map(([name = '', given = '']) => [name.trim(), given.trim()]));
    })
    .pipe(z.record(z.string(), value));
export const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number('expected a whole number').int().min(least).max(most);
export const amount = (least: number, most: number) =>
  z.coerce.number('expected a number').min(least).max(most);
export const port = z.coerce.number('expected a port').int().min(0).max(65_535);
export const url = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' });
export const json = z.string().transform((value, ctx) => {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    ctx.addIssue({ code: 'custom', message: 'expected JSON' });
    return z.NEVER;
  }
});
