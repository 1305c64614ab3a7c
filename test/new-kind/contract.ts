/** Letter tallies: how often a letter stands in each of some texts. */
import type { KindDefinition } from '@darkroom/contract';
import { z } from 'zod';

/** The options of a tally: what a request may say, what the row keeps, what a rerun may change. */
export const tallyOptions = z
  .strictObject({
    letter: z.string().length(1).default('e').meta({ description: 'The letter to count.' }),
  })
  .meta({ id: 'TallyOptions' });
export type TallyOptions = z.infer<typeof tallyOptions>;

/** A request: the options, and the texts. */
export const tallyRequest = tallyOptions
  .extend({ texts: z.array(z.string().max(1000)).min(1).max(100) })
  .meta({ id: 'TallyRequest', example: { letter: 'a', texts: ['banana', 'cherry'] } });

/** What an item of the ledger holds: one text. Larger things lie in S3, and the item holds URI and ETag. */
export interface TallyText {
  readonly text: string;
}

/** What a text's result says. */
export const tallyResult = z.object({ letter: z.string(), count: z.int() }).meta({ id: 'TallyResult' });
export type TallyResult = z.infer<typeof tallyResult>;

export const tallyKind = {
  kind: 'tally',
  title: 'Letter tally',
  workflow: 'tally',
  input: tallyOptions,
  stages: [
    { name: 'count', unit: 'texts', weight: 9, itemsOf: 'count' },
    { name: 'publish', unit: 'texts', weight: 1, itemsOf: 'count' },
  ],
  inputs: (id: string) => `tally-texts/${id}/`,
  outputs: (id: string): [string] => [`tallies/${id}/`],
} as const satisfies KindDefinition;
