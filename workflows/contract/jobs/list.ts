/** A list in the store whose rows become the items of a job. */
import { z } from 'zod';
import { ProblemError } from '../problems/problem.ts';

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

export const archiveFormats = ['zip', 'tar', 'tar.gz'] as const;
export type ArchiveFormat = (typeof archiveFormats)[number];

/** The media type that says of a body that it is such an archive. */
export const archiveTypes = {
  zip: 'application/zip',
  tar: 'application/x-tar',
  'tar.gz': 'application/gzip',
} as const satisfies Record<ArchiveFormat, string>;

/** The archive that a file of that name is; undefined where it is none. */
export function archiveFormatOf(name: string): ArchiveFormat | undefined {
  if (/\.zip$/i.test(name)) return 'zip';
  if (/\.tar$/i.test(name)) return 'tar';
  return /\.(?:tar\.gz|tgz)$/i.test(name) ? 'tar.gz' : undefined;
}

/** What rows come as: a list, or an archive whose entries they are. */
export type SourceFormat = ListFormat | ArchiveFormat;

export const sourceTypes = { ...listTypes, ...archiveTypes } as const;

/** What a file of that name holds, of what a kind takes. Throws ProblemError `validation_failed` where the name does not say. */
export function sourceFormatOf(name: string, takesArchives: boolean): SourceFormat {
  const archive = takesArchives ? archiveFormatOf(name) : undefined;
  if (archive !== undefined) return archive;
  if (!takesArchives || /\.(csv|ndjson|jsonl)$/i.test(name)) return listFormatOf(name);
  throw new ProblemError(
    'validation_failed',
    `${name} is named neither as a list (.csv, .ndjson, .jsonl) nor as an archive (.zip, .tar, .tar.gz, .tgz).`,
  );
}

export const isArchive = (format: string): format is ArchiveFormat =>
  (archiveFormats as readonly string[]).includes(format);

/** An archive as it was when the job was submitted; its entries become the items. */
export const archiveSource = z.strictObject({
  format: z.enum(archiveFormats),
  uri: z.string(),
  etag: z.string(),
  bytes: z.int().min(0),
});
export type ArchiveSource = z.infer<typeof archiveSource>;

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

/** What a stage that plans is made of. */
export type PlanSource = ListSource | ArchiveSource;

/** URI of the list or archive that a stage which plans is made of, undefined of what an item is: for the `sourceOf` of a kind with a list. */
export function uriOfList(input: object): string | undefined {
  return 'format' in input && 'uri' in input && typeof input.uri === 'string' ? input.uri : undefined;
}
