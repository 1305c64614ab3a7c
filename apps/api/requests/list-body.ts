/** Requests that bring their list: as their body, with the options in the query, or as the file of a form. */
import {
  isArchive,
  listTypes,
  ProblemError,
  type SourceFormat,
  sourceFormatOf,
  sourceTypes,
} from '@darkroom/contract';
import { type ListContent, requireSourceSize } from '@darkroom/dispatch';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { validationProblem } from '../problems.ts';
import { jsonIn, requestBody } from './body.ts';
import { fieldProblem, readParts } from './multipart.ts';
import { optionsInQuery } from './query.ts';

/**
 * Reads a whole request: gives its list to `take`, which must read all of it, and comes to the options, defaults filled in. Throws
 * ProblemError, ZodError, and what `requireOptions` throws.
 */
export type ReadList = (take: (list: ListContent) => Promise<void>) => Promise<Record<string, unknown>>;

/** What a request may bring. */
export interface ListTaken {
  readonly options: z.ZodObject;
  /** Whether an archive will do as well as a list. */
  readonly archives: boolean;
}

/** Throws for options that come to nothing here. */
type RequireOptions = (input: Record<string, unknown>) => Promise<void>;

/** The media types of lists, and of archives. */
export const typesTaken = (archives: boolean): Readonly<Partial<Record<SourceFormat, string>>> =>
  archives ? sourceTypes : listTypes;

/**
 * How to read the request; undefined where its body is neither a list nor a form. `requireOptions` is asked as soon as the options are known: before
 * a byte of the body where they stand in the query, before the file where a form has them first.
 */
export function listReader(
  c: ApiContext,
  taken: ListTaken,
  requireOptions: RequireOptions,
): ReadList | undefined {
  const { options, archives } = taken;
  const type = c.req.header('content-type') ?? '';
  const media = type.split(';')[0]?.trim().toLowerCase();
  if (media === 'multipart/form-data') return (take) => readForm(c, type, { ...taken, requireOptions }, take);
  const types = Object.entries(typesTaken(archives)) as [SourceFormat, string][];
  const format = types.find(([, each]) => each === media)?.[0];
  return format && ((take) => readBody(c, { type, format, options, requireOptions }, take));
}

/** Throws `validation_failed` where a request whose options stand elsewhere has a query. */
export function requireNoQuery(c: ApiContext, elsewhere: string): void {
  const [name] = Object.keys(c.req.queries());
  if (name === undefined) return;
  const detail = `belongs into ${elsewhere}`;
  throw new ProblemError('validation_failed', `The parameter ${name.slice(0, 100)} ${detail}.`, {
    errors: [{ pointer: `/query/${name.slice(0, 100)}`, detail }],
  });
}

async function readBody(
  c: ApiContext,
  {
    type,
    format,
    options,
    requireOptions,
  }: { type: string; format: SourceFormat; options: z.ZodObject; requireOptions: RequireOptions },
  take: Parameters<ReadList>[0],
): Promise<Record<string, unknown>> {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(type)?.[1] ?? 'utf-8';
  if (!isArchive(format) && !/^(?:utf-?8|us-ascii)$/i.test(charset))
    throw new ProblemError('unsupported_content_type', `Send ${listTypes[format]} in UTF-8, not ${charset}.`);
  const parsed = options.safeParse(optionsInQuery(options, c.req.queries()));
  if (!parsed.success) throw validationProblem(parsed.error, 'query');
  // Said before a byte is read, where it is known by then.
  const announced = Number(c.req.header('content-length') ?? '0');
  requireSourceSize('The list', format, announced, c.var.deps.config.limits);
  await requireOptions(parsed.data);
  await take({ format, content: requestBody(c) });
  return parsed.data;
}

/** What the document says of such a form. */
export const listForm = ({ options, archives }: ListTaken) =>
  z.strictObject({
    parameters: options.optional(),
    file: z.file().meta({
      description: `The list, named \`.csv\`, \`.ndjson\` or \`.jsonl\`${archives ? ', or the archive, named `.zip`, `.tar`, `.tar.gz` or `.tgz`' : ''}.`,
    }),
  });

async function readForm(
  c: ApiContext,
  type: string,
  { options, archives, requireOptions }: ListTaken & { readonly requireOptions: RequireOptions },
  take: Parameters<ReadList>[0],
): Promise<Record<string, unknown>> {
  requireNoQuery(c, 'the field parameters');
  const { jsonBytes } = c.var.deps.config.limits;
  const limits = { files: 2, fields: 10, fieldBytes: jsonBytes, headerBytes: 16_384 };
  let given: Record<string, unknown> | undefined;
  let taken = false;
  for await (const part of readParts(requestBody(c), type, limits)) {
    if (part.name !== 'parameters' && part.name !== 'file')
      throw fieldProblem(part.name, 'is not known here; known are parameters and file');
    if (part.name === 'file' ? taken : given !== undefined) throw fieldProblem(part.name, 'is given twice');
    if (part.name === 'parameters') {
      if (part.kind === 'file') throw fieldProblem(part.name, 'has to be JSON, without a filename');
      given = options.parse(jsonIn(part.value, 'The field parameters'));
      await requireOptions(given);
    } else {
      if (part.kind === 'field') throw fieldProblem(part.name, 'has to be a file, with a filename');
      await take({ format: sourceFormatOf(part.filename, archives), content: part.content });
      taken = true;
    }
  }
  if (!taken) throw fieldProblem('file', 'is missing; it is the list');
  if (given !== undefined) return given;
  const defaults = options.parse({});
  await requireOptions(defaults);
  return defaults;
}
