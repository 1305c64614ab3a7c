/** What the routes of the Open Inference Protocol share in describing themselves. */
import { modelOptionLength, type ProblemCode, problemKinds } from '@darkroom/contract';
import { z } from '@hono/zod-openapi';

/** Each is there with and without a version. */
export const modelPaths = ['/v2/models/{model}', '/v2/models/{model}/versions/{version}'] as const;
export type ModelPath = (typeof modelPaths)[number];

const nameOf = (name: string, description: string, example: string) =>
  z
    .string()
    .max(modelOptionLength)
    .meta({ description, example, param: { name, in: 'path' } });

const model = nameOf('model', 'Name of a model, or `default`.', 'efficientnet-lite0');
const version = nameOf('version', 'One of its versions.', '1');

const withVersion = z.object({ model, version });
const withoutVersion = z.object({ model });

export const paramsOf = (path: ModelPath): typeof withVersion | typeof withoutVersion =>
  path.includes('{version}') ? withVersion : withoutVersion;

/** How an operation is named in the document: `modelReady`, `modelVersionReady`. */
export const named = (before: string, path: ModelPath, after = '') => ({
  operationId: `${before}${path.includes('{version}') ? 'Version' : ''}${after}`,
  tags: ['Inference'],
});

export const inferenceError = z.object({ error: z.string() }).meta({
  id: 'InferenceError',
  description: 'What every error under /v2 is; other paths answer with problems.',
});

const everywhere: readonly ProblemCode[] = [
  'unauthorized',
  'rate_limited',
  'records_unavailable',
  'internal',
];

/** The error responses of a route, as `problems` has them for other paths. */
export function errors(...codes: readonly ProblemCode[]): Record<never, never> {
  return errorResponses([...new Set([...codes, ...everywhere])]);
}

/** Of a route that needs no key. */
export function errorResponses(codes: readonly ProblemCode[]): Record<never, never> {
  const byStatus = Map.groupBy(codes, (code) => problemKinds[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `${problemKinds[code].title}.`).join('\n\n'),
        content: { 'application/json': { schema: inferenceError } },
      },
    ]),
  );
}
