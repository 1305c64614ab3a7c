/** What route files share in describing themselves. */
import { type ProblemCode, problemDocument, problemKinds, problemOf } from '@darkroom/contract';
import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Api, ApiEnv } from './context.ts';
import { validationProblem } from './problems.ts';

/** The app that route files register on: what does not fit its schema becomes a `validation_failed` problem. */
export function createRouter(): Api {
  return new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw validationProblem(result.error, result.target);
    },
  });
}

const everywhere: readonly ProblemCode[] = ['unauthorized', 'records_unavailable', 'internal'];

/**
 * The error responses of a route, for `responses: {202: …, ...problems('not_found')}`: one entry a status with an example per
 * code. Those that any route can give are added. Handlers throw problems, so their type is hidden from the handler's.
 */
export function problems(...codes: readonly ProblemCode[]): Record<never, never> {
  const all = [...new Set([...codes, ...everywhere])];
  return problemResponses(all);
}

/** As {@link problems}, for routes that need no key and no database. */
export const problemsOnly = (...codes: readonly ProblemCode[]): Record<never, never> =>
  problemResponses(codes);

function problemResponses(codes: readonly ProblemCode[]): Record<never, never> {
  const byStatus = Map.groupBy(codes, (code) => problemKinds[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `\`${code}\`: ${problemKinds[code].title}.`).join('\n\n'),
        ...(status === 503 && { headers: z.object({ 'retry-after': z.string().meta(retryAfter) }) }),
        ...(status === 401 && { headers: z.object({ 'www-authenticate': z.string() }) }),
        content: {
          'application/problem+json': {
            schema: problemDocument,
            examples: Object.fromEntries(group.map((code) => [code, { value: exampleOf(code) }])),
          },
        },
      },
    ]),
  );
}

const retryAfter = { description: 'Seconds to wait before trying again.', example: '5' };

const exampleOf = (code: ProblemCode) => ({
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

/** Puts a schema that routes refer to by `$ref` into the document. */
export function registerSchema(api: Api, name: string, schema: z.ZodType): void {
  const registry = api.openAPIRegistry;
  const { $schema, id, ...document } = z.toJSONSchema(schema, { io: 'input' });
  registry.registerComponent(
    'schemas',
    name,
    document as Parameters<typeof registry.registerComponent<'schemas'>>[2],
  );
}
