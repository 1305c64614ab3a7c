import { readFile } from 'node:fs/promises';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import { checker, type Media, objectsOf, operationsOf, readDocument, type Schema } from './document.ts';

/** What the OpenAPI document promises to whoever makes a client of it. */

const document = readDocument();
const operations = operationsOf(document);
const check = checker(document);
const schemas = [...objectsOf(document)];

test('is valid OpenAPI 3.1, in the version of the package', async () => {
  expect(await new Validator().validate(structuredClone(document) as never)).toEqual({ valid: true });
  expect(document.openapi).toMatch(/^3\.1\./);
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(document.info.version).toBe(version);
});

test('each reference leads somewhere', () => {
  const at = (path: string): unknown =>
    path
      .slice(2)
      .split('/')
      .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], document);
  const references = schemas.flatMap(({ object }) => (typeof object.$ref === 'string' ? [object.$ref] : []));
  const mapped = schemas.flatMap(({ object }) =>
    Object.values((object.mapping as Record<string, string> | undefined) ?? {}),
  );
  expect(references.length).toBeGreaterThan(50);
  for (const reference of [...references, ...mapped]) expect(at(reference), reference).toBeDefined();
});

describe('patterns', () => {
  const patterns = schemas.flatMap(({ path, object }) =>
    typeof object.pattern === 'string' ? [{ path, pattern: object.pattern, schema: object }] : [],
  );

  test('are regular expressions of ECMA-262 in its Unicode mode, without delimiters or flags', () => {
    expect(patterns.length).toBeGreaterThan(5);
    for (const { path, pattern } of patterns) {
      expect(() => new RegExp(pattern, 'u'), path).not.toThrow();
      // `^…$/u` is a pattern too: one that nothing fits.
      expect(pattern, path).toMatch(/^\^.*\$$/s);
    }
  });

  test('of free text take any text but control characters', () => {
    const free = patterns.filter(({ pattern }) => pattern.startsWith('^[^'));
    expect(free.length).toBeGreaterThanOrEqual(6);
    for (const { path, schema } of free) {
      for (const text of ['cat', 'Größe 東京 🐈', 'a/b?c=d', ' '])
        expect(check(schema, text), path).toBeUndefined();
      for (const text of ['a\u0007', 'a\nb', '\u0085', '\u007f'])
        expect(check(schema, text), path).toBeDefined();
    }
  });
});

describe('examples', () => {
  test('of parameters and schemas fit', () => {
    let seen = 0;
    for (const { path, operation } of operations)
      for (const { name, schema, example } of operation.parameters ?? []) {
        if (example === undefined) continue;
        seen++;
        expect(check(schema, example), `${path} ${name}`).toBeUndefined();
      }
    for (const { path, object } of schemas) {
      if (!Array.isArray(object.examples)) continue;
      seen++;
      for (const example of object.examples) expect(check(object, example), path).toBeUndefined();
    }
    expect(seen).toBeGreaterThan(20);
  });

  test('of bodies and answers fit', () => {
    let seen = 0;
    for (const { operation } of operations) {
      const contents = [
        operation.requestBody?.content,
        ...Object.values(operation.responses).map((r) => r.content),
      ];
      for (const media of contents.flatMap((content) => Object.values(content ?? {})))
        for (const example of examplesOf(media)) {
          seen++;
          expect(check(media.schema ?? {}, example), operation.operationId).toBeUndefined();
        }
    }
    expect(seen).toBeGreaterThan(100);
  });

  function examplesOf({ example, examples }: Media): unknown[] {
    const named = Object.values(examples ?? {}).map(({ value, $ref }) =>
      $ref === undefined ? value : document.components.examples[$ref.split('/').at(-1) ?? '']?.value,
    );
    return example === undefined ? named : [example, ...named];
  }
});

test('each operation of the unversioned paths is the same under /v1, marked, and the plain names are those of /v1', () => {
  const unversioned = operations.filter(({ path }) => !/^\/(v1|v2|status|metrics)\b/.test(path));
  expect(unversioned.length).toBeGreaterThanOrEqual(7);
  for (const { path, method, operation } of unversioned) {
    const twin = document.paths[`/v1${path}`]?.[method];
    expect(twin, path).toBeDefined();
    const { operationId, tags, deprecated, ...rest } = operation;
    expect({ ...twin, ...rest }, path).toEqual(twin);
    expect([deprecated, twin?.deprecated, operationId, tags]).toEqual([
      true,
      undefined,
      `${twin?.operationId}Unversioned`,
      ['Unversioned'],
    ]);
  }
  for (const { operation } of operations) expect(operation.operationId).toMatch(/^[a-z][A-Za-z]+$/);
});

test('names have one casing, but for the two that were there first and those of the Open Inference Protocol', () => {
  const first = ['task_id', 'segment_id'];
  const ofProtocol = [
    ...['model_name', 'model_version'],
    ...['model_stats', 'last_inference', 'inference_count', 'execution_count', 'inference_stats'],
  ];
  const properties = schemas.flatMap(({ object }) =>
    typeof object.properties === 'object' ? Object.keys(object.properties ?? {}) : [],
  );
  const parameters = operations.flatMap(({ operation }) =>
    (operation.parameters ?? []).filter((one) => one.in !== 'header').map(({ name }) => name),
  );
  const names = new Set([...properties, ...parameters]);
  expect(names.size).toBeGreaterThan(80);
  for (const name of names)
    if (![...first, ...ofProtocol].includes(name)) expect(name).toMatch(/^[a-z][A-Za-z0-9]*$/);
});

describe('nothing is left for a client to guess', () => {
  test('no field of a body or an answer has a default, which some generators send unasked and others ask for', () => {
    const withDefault = schemas.filter(
      ({ path, object }) => 'default' in object && path.includes('/properties/'),
    );
    expect(withDefault.map(({ path }) => path)).toEqual([]);
  });

  test('links have names', () => {
    const links = schemas.flatMap(({ path, object }) => {
      const { links: of } = (object.properties ?? {}) as { links?: { $ref?: string } };
      return of === undefined ? [] : [{ path, of }];
    });
    expect(links.length).toBeGreaterThan(4);
    for (const { path, of } of links) {
      const schema = document.components.schemas[of.$ref?.split('/').at(-1) ?? ''];
      expect(Object.keys(schema?.properties ?? {}), path).not.toEqual([]);
    }
  });

  test('members of a union are told apart by a field', () => {
    const unions = schemas.filter(({ object }) => Array.isArray(object.oneOf) || Array.isArray(object.anyOf));
    expect(unions.length).toBeGreaterThan(4);
    for (const { path, object } of unions) {
      const members = ((object.oneOf ?? object.anyOf) as { type?: string }[]).filter(
        ({ type }) => type !== 'null',
      );
      if (members.length > 1) expect(object.discriminator, path).toBeDefined();
    }
  });

  test('what may be null says so, and the schema that it refers to does not', () => {
    const { Job, JobProblem } = document.components.schemas;
    const { problem = {} } = (Job?.properties ?? {}) as Record<string, Schema>;
    expect(check(problem, null)).toBeUndefined();
    expect(check({ $ref: '#/components/schemas/JobProblem' }, null)).toBeDefined();
    expect(JobProblem?.type).toBe('object');
  });

  test('the events of each stream have schemas', () => {
    const streams = operations.flatMap(({ operation }) =>
      Object.values(operation.responses).flatMap(({ content }) =>
        Object.entries(content ?? {}).filter(([type]) => /event-stream|ndjson/.test(type)),
      ),
    );
    expect(streams.length).toBeGreaterThanOrEqual(3);
    for (const [, media] of streams)
      expect(media['x-itemSchema']?.$ref).toMatch(/^#\/components\/schemas\/\w+$/);
  });

  test('each error is a problem, with an example for each of its codes; under /v2 it is what the protocol says', () => {
    for (const { path, operation } of operations)
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        const { operationId } = operation;
        if (Number(status) < 400 || (operationId === 'ready' && status === '503')) continue;
        if (path.startsWith('/v2')) {
          const { schema } = content['application/json'] ?? {};
          expect(schema, `${operationId} ${status}`).toEqual({ $ref: '#/components/schemas/InferenceError' });
          continue;
        }
        expect(Object.keys(content), `${operationId} ${status}`).toEqual(['application/problem+json']);
        const { examples = {} } = content['application/problem+json'] ?? {};
        expect(Object.keys(examples), `${operationId} ${status}`).not.toEqual([]);
      }
  });

  test('each operation has a name, a heading that is listed, and a summary', () => {
    const names = operations.map(({ operation }) => operation.operationId);
    expect(new Set(names).size).toBe(names.length);
    const headings = document.tags.map(({ name }) => name);
    for (const { operation } of operations) {
      expect(operation.tags).toEqual([expect.toBeOneOf(headings)]);
      expect(operation.summary).not.toBe('');
    }
  });
});
