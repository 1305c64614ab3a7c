/** The OpenAPI document, made of the schemas that validate. */
import { readFileSync } from 'node:fs';
import { type ProblemCode, problemKinds } from '@darkroom/contract';
import type { RouteConfig } from '@hono/zod-openapi';
import { z } from 'zod';
import type { Api } from '../context.ts';
import { exampleOf, unvalidatedSchema } from './describe.ts';
import { createSchemas, type Direction, type JsonSchema, type Schemas } from './schemas.ts';

const description = `Long imaging jobs that must not be lost.

A **job** of some **kind** goes through **stages**; a stage works on **items**. A submit answers 202 with the job's id once the
job is recorded, for good; then follow \`GET /v1/jobs/{id}\` or its event stream. Every error is an
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem with a stable \`code\`, whose fault it is and what to do next;
all codes are listed at [/docs/problems](/docs/problems).`;

const tags = [
  { name: 'Analysis', description: 'Photos and videos: what is on them.' },
  { name: 'Models', description: 'Which models there are, which are loaded, and what they are called by.' },
  { name: 'Predictions', description: 'One picture, one answer, recorded before it is given.' },
  { name: 'Inference', description: 'The same as the Open Inference Protocol (KServe, Triton) has it.' },
  { name: 'Cutouts', description: 'Sky surveys, and what is cut out of them.' },
  { name: 'Uploads', description: 'Large files, straight to the object store.' },
  { name: 'Jobs', description: 'What all kinds of jobs have in common.' },
  { name: 'Status', description: 'Whether the service can serve, and how it does.' },
  {
    name: 'Unversioned',
    description:
      'The same as under `/v1`, for good. Marked as deprecated so that generators of clients take `/v1`.',
  },
];

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Serves the document of all routes registered by then at /openapi.json. */
export function documentRoutes(api: Api, publicUrl: string): void {
  // Made once, when it is first asked for: it takes a tenth of a second, and needs no key.
  let text: string | undefined;
  api.get('/openapi.json', (c) => {
    text ??= JSON.stringify(openApiDocument(api, publicUrl));
    return c.body(text, 200, { 'content-type': 'application/json', 'cache-control': 'no-cache' });
  });
}

/** The document (OpenAPI 3.1) of the routes registered so far. */
export function openApiDocument(api: Api, publicUrl: string): JsonSchema {
  const schemas = createSchemas();
  const paths: Record<string, JsonSchema> = {};
  for (const definition of api.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { path, method } = definition.route;
    paths[path] = { ...paths[path], [method]: operationOf(definition.route, schemas) };
  }
  return schemas.settle({
    openapi: '3.1.0',
    info: {
      title: 'Darkroom',
      version,
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This server' }, { url: publicUrl }],
    security: [{ key: [] }],
    tags,
    paths,
    components: {
      schemas: schemas.components(),
      examples: Object.fromEntries(
        (Object.keys(problemKinds) as ProblemCode[]).map((code) => [code, { value: exampleOf(code) }]),
      ),
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'A key of `npm run key -- create`.' },
        link: {
          type: 'apiKey',
          in: 'query',
          name: 'signature',
          description: 'The signature of a link that the API gave out.',
        },
      },
    },
  });
}

function operationOf(route: RouteConfig, schemas: Schemas): JsonSchema {
  const { operationId, tags, summary, description, deprecated, security, request, responses } = route;
  const parameters = [
    ...parametersOf(request?.params, 'path', schemas),
    ...parametersOf(request?.query, 'query', schemas),
    // Of some of the bodies that the route takes, so that none of them is always needed.
    ...parametersOf(route['x-query'], 'query', schemas).map((one) => ({ ...one, required: false })),
    ...parametersOf(request?.headers, 'header', schemas),
  ];
  const { body } = request ?? {};
  return without({
    operationId,
    tags,
    summary,
    description,
    deprecated,
    security,
    parameters: parameters.length > 0 ? parameters : undefined,
    requestBody: body && {
      required: body.required ?? false,
      content: contentOf(body.content, schemas, 'input'),
    },
    responses: Object.fromEntries(
      Object.entries(responses).map(([status, response]) => [
        status,
        responseOf(response as Answer, schemas),
      ]),
    ),
  });
}

interface Answer {
  readonly description: string;
  readonly headers?: z.ZodObject;
  readonly content?: Record<string, object>;
}

function responseOf({ description, headers, content }: Answer, schemas: Schemas): JsonSchema {
  return without({
    description,
    headers: headers && Object.fromEntries(fieldsOf(headers, schemas, 'output')),
    content: content && contentOf(content, schemas, 'output'),
  });
}

function parametersOf(of: unknown, place: 'path' | 'query' | 'header', schemas: Schemas): JsonSchema[] {
  if (!(of instanceof z.ZodObject)) return [];
  return fieldsOf(of, schemas, 'input').map(([name, field]) => ({ name, in: place, ...field }));
}

/** Each field of an object as OpenAPI describes parameters and headers: notes beside the schema. */
function fieldsOf(of: z.ZodObject, schemas: Schemas, direction: Direction): [string, JsonSchema][] {
  return Object.entries(of.shape as Record<string, z.ZodType>).map(([name, field]) => {
    const { description, examples, ...schema } = schemas.of(field, direction);
    const required = !field.safeParse(undefined).success;
    const [example] = Array.isArray(examples) ? examples : [];
    return [name, without({ required, description, schema, example })];
  });
}

/** Media types; a schema among their fields may be zod's or JSON Schema. */
function contentOf(content: object, schemas: Schemas, direction: Direction): JsonSchema {
  const written = (value: unknown): unknown => {
    if (value instanceof z.ZodType) return schemas.of(value, direction);
    const unvalidated = unvalidatedSchema(value);
    return unvalidated === undefined ? value : schemas.of(unvalidated, direction);
  };
  return Object.fromEntries(
    Object.entries(content).map(([type, media]) => [
      type,
      Object.fromEntries(Object.entries(media as object).map(([name, value]) => [name, written(value)])),
    ]),
  );
}

const without = (fields: JsonSchema): JsonSchema =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
