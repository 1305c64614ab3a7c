/** The OpenAPI document as a test reads it, and a check of values against its schemas. */

import { createApp } from '@darkroom/api/app.ts';
import type { ApiDeps } from '@darkroom/api/context.ts';
import { openApiDocument } from '@darkroom/api/openapi/document.ts';
import { createLogger, loadConfig } from '@darkroom/platform';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

export type Schema = Record<string, unknown>;

export interface Media {
  readonly schema?: Schema;
  readonly 'x-itemSchema'?: Schema;
  readonly example?: unknown;
  readonly examples?: Record<string, { value?: unknown; $ref?: string }>;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly deprecated?: boolean;
  readonly parameters?: readonly { name: string; in: string; schema: Schema; example?: unknown }[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<
    string,
    { readonly headers?: Record<string, object>; content?: Record<string, Media> }
  >;
}

export interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly tags: readonly { name: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, Schema>;
    readonly examples: Record<string, { value: unknown }>;
  };
}

/** The document, without a server: nothing is asked of what the routes stand on. */
export function readDocument(): OpenApi {
  const config = loadConfig({ DATABASE_URL: 'postgres://nobody@127.0.0.1/none' });
  const deps = { config, records: {}, logger: createLogger({ service: 'test', level: 'fatal' }) };
  const document = openApiDocument(createApp(deps as unknown as ApiDeps), config.api.publicUrl);
  return JSON.parse(JSON.stringify(document));
}

/** Everything of the document that is an object, with the path to it. */
export function* objectsOf(value: unknown, path = '#'): Generator<{ path: string; object: Schema }> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield { path, object: value as Schema };
  for (const [name, child] of Object.entries(value)) yield* objectsOf(child, `${path}/${name}`);
}

/** All operations with where they are. */
export const operationsOf = ({ paths }: OpenApi) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

/** A check of values against schemas of the document; says what is wrong, undefined if nothing is. */
export function checker(document: OpenApi): (schema: Schema, value: unknown) => string | undefined {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(document, 'document');
  const absolute = (schema: Schema): Schema =>
    JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/'));
  return (schema, value) => {
    const validate = ajv.compile(absolute(schema));
    return validate(value) ? undefined : ajv.errorsText(validate.errors);
  };
}
