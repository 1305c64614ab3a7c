/** A list in the store whose rows become the items of a job. */
import { z } from 'zod';
import { ProblemError } from './problem.ts';

export const listFormats = ['csv', 'ndjson'] as const;
export type ListFormat = (typeof listFormats)[number];

/** The media type that says of a body that it is a list. */
export const listTypes = {
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
} as const satisfies Record<ListFormat, string>;

/** What a file of that name holds. Throws ProblemError `validation_failed` where the name does not say. */
export function listFormatOf(name: string): ListFormat {
  if (/\.csv$/i.test(name)) return 'csv';
  if (/\.(ndjson|jsonl)$/i.test(name)) return 'ndjson';
  throw new ProblemError('validation_failed', `${name} is not named .csv, .ndjson or .jsonl.`);
}

/** Where the list lies: a file as it was when the job was submitted, or a prefix whose objects are the rows. */
export const listSource = z.discriminatedUnion('format', [
  z.strictObject({
    format: z.enum(listFormats),
    uri: z.string(),
    etag: z.string(),
    bytes: z.int().min(0),
  }),
  z.strictObject({ format: z.literal('listing'), uri: z.string() }),
]);
export type ListSource = z.infer<typeof listSource>;

/** URI of the list that a stage which plans is made of, undefined of what an item is: for the `sourceOf` of a kind with a list. */
export function uriOfList(input: object): string | undefined {
  return 'format' in input && 'uri' in input && typeof input.uri === 'string' ? input.uri : undefined;
}
