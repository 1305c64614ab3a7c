/** What route files share in describing themselves. */
import { type ProblemCode, problemDocument, problemKinds, problemOf } from '@darkroom/contract';
import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Api, ApiEnv } from '../context.ts';
import { validationProblem } from '../problems.ts';

/** The app that route files register on: what does not fit its schema becomes a `validation_failed` problem. */
export function createRouter(): Api {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw validationProblem(result.error, result.target);
    },
  });
}

const everywhere: readonly ProblemCode[] = [
  'unauthorized',
  'rate_limited',
  'records_unavailable',
  'internal',
];

/** What may be wrong with a body of JSON, whatever it is for: for the `problems` of each route that takes one. */
export const jsonBodyProblems = [
  'invalid_request',
  'validation_failed',
  'payload_too_large',
  'request_timeout',
  'unsupported_content_type',
] as const satisfies readonly ProblemCode[];

/**
 * The error responses of a route, for `responses: {202: …, ...problems('not_found')}`: one entry a status with an example per
 * code. Those that any route can give are added. Handlers throw problems, so their type is hidden from the handler's.
 */
export function problems(...codes: readonly ProblemCode[]): Record<never, never> {
  const store: readonly ProblemCode[] = codes.includes('storage_unavailable')
    ? ['storage_access_failed']
    : [];
  const all = [...new Set([...codes, ...store, ...everywhere])];
  return problemResponses(all);
}

function problemResponses(codes: readonly ProblemCode[]): Record<never, never> {
  const byStatus = Map.groupBy(codes, (code) => problemKinds[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `\`${code}\`: ${problemKinds[code].title}.`).join('\n\n'),
        ...((status === 429 || status === 503) && {
          headers: z.object({ 'retry-after': z.string().meta(retryAfter) }),
        }),
        ...(status === 401 && { headers: z.object({ 'www-authenticate': z.string() }) }),
        content: {
          'application/problem+json': {
            schema: problemDocument,
            examples: Object.fromEntries(
              group.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
            ),
          },
        },
      },
    ]),
  );
}

const retryAfter = { description: 'Seconds to wait before trying again.', example: '5' };

/** A problem of this code as it may come. */
export const exampleOf = (code: ProblemCode) => ({
  type: `/docs/problems#${code}`,
  status: problemKinds[code].status,
  ...problemOf(code, problemKinds[code].title),
});

/** Path parameter `{id}` of a job. */
export const jobIdParam = z.object({
  id: z.string().meta({
    description: 'Id of the job.',
    example: '0197a3c2-7d4e-7c1a-9b1e-2f4f6a8b9c0d',
    param: { name: 'id', in: 'path' },
  }),
});

/** Header of submits: the same key and body again name the first job instead of making a second. */
export const idempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'has 1 to 255 visible ASCII characters')
    .optional()
    // No example: the reference page would fill it in, and the second try would be taken for a repetition.
    .meta({
      description:
        'Makes repeating this request safe: 1 to 255 visible ASCII characters, unique per request; a UUID is good.',
    }),
});

const unvalidatedKey = Symbol('a schema that is described only');

/**
 * For the content of a route: the document describes it by `schema`, but the request or answer is not read by it; the handler does that
 * itself, or nobody has to.
 */
export const unvalidated = (schema: z.ZodType): object => ({ [unvalidatedKey]: schema });

/** The schema behind {@link unvalidated}; undefined for anything else. */
export const unvalidatedSchema = (value: unknown): z.ZodType | undefined =>
  typeof value === 'object' && value !== null && unvalidatedKey in value
    ? (value[unvalidatedKey] as z.ZodType)
    : undefined;

/** For a route: parameters of the query that the document describes by the fields of `schema`; the handler reads them itself. */
export const unvalidatedQuery = (schema: z.ZodObject) => ({ 'x-query': schema });

/**
 * The content of an answer that is a stream of `item`s, each its own text. OpenAPI 3.1 has no word for that, 3.2 says `itemSchema`;
 * generators find the items among the components.
 */
export const streamOf = (item: z.ZodType, example: string) => ({
  schema: z.string(),
  'x-itemSchema': item,
  example,
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are meant.
const noControls = /^[^\u0000-\u001f\u007f-\u009f]*$/;

/** Text that is shown as it is: any characters but control characters, by a pattern that every dialect reads the same. */
export const plainText = (most: number) =>
  z
    .string()
    .max(most)
    .regex(noControls, 'has control characters')
    // Postgres and Temporal take no halves of surrogate pairs.
    .refine((text) => text.isWellFormed(), 'has broken Unicode');

/** A moment to look from or up to. ISO 8601 has a year 0, Postgres has none. */
export const moment = z.iso
  .datetime({ offset: true })
  .refine((text) => new Date(text).getUTCFullYear() >= 1, 'is before the year 1');
