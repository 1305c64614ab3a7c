import { ProblemError, problemCode, problemDocument } from '@darkroom/contract';
import { StorageError } from '@darkroom/storage';
import { HTTPException } from 'hono/http-exception';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { problemBody, toProblem, validationProblem } from './problems.ts';

const asked = { instance: '/v1/jobs', traceId: 'f'.repeat(32) };
const failureOf = (schema: z.ZodType, value: unknown) => schema.safeParse(value).error ?? new z.ZodError([]);

test('a problem keeps what it knows; what nobody foresaw tells nothing of itself', () => {
  expect(toProblem(new ProblemError('conflict', 'The job is running.'))).toMatchObject({
    code: 'conflict',
    message: 'The job is running.',
  });
  for (const error of [new Error('password=hunter2'), new TypeError('x is undefined'), 'text', undefined]) {
    const body = problemBody(toProblem(error), asked);
    expect(body).toMatchObject({ code: 'internal', status: 500, traceId: asked.traceId });
    expect(JSON.stringify(body)).not.toMatch(/hunter2|undefined|\.ts/);
  }
});

test.each([
  ['storage_unavailable', 'storage_unavailable'],
  ['checksum_mismatch', 'storage_unavailable'],
  ['source_not_found', 'source_not_found'],
  ['source_changed', 'source_changed'],
  ['too_large', 'too_large'],
  ['storage_refused', 'internal'],
  ['access_denied', 'source_not_granted'],
  ['platform_access', 'storage_access_failed'],
] as const)('the store’s %s is %s', (code, problem) => {
  expect(toProblem(new StorageError(code, 'secret detail')).code).toBe(problem);
});

test('statuses of the framework become problems too', () => {
  expect(toProblem(new HTTPException(400, { message: 'Malformed JSON in request body' })).code).toBe(
    'invalid_request',
  );
  expect(toProblem(new HTTPException(418)).code).toBe('internal');
});

test('pointers are RFC 6901, one for each wrong or unknown field', () => {
  const schema = z.strictObject({ list: z.array(z.object({ 'a/b~c': z.number() })), size: z.number() });
  const error = failureOf(schema, { list: [{ 'a/b~c': 'x' }], size: 1, more: 1, most: 2 });
  const pointers = validationProblem(error).errors?.map(({ pointer }) => pointer);
  expect(pointers?.sort()).toEqual(['/list/0/a~1b~0c', '/more', '/most']);
  expect(validationProblem(failureOf(z.object({}), 'text')).errors).toMatchObject([{ pointer: '' }]);
  expect(validationProblem(failureOf(schema, {}), 'query').errors?.[0]?.pointer).toBe('/query/list');
});

test('every code makes a document that fits its schema, with a type of its own', () => {
  const types = problemCode.options.map((code) => {
    const body = problemBody(new ProblemError(code, 'This time.'), asked);
    expect(problemDocument.parse(body)).toEqual(body);
    return body.type;
  });
  expect(new Set(types).size).toBe(types.length);
});

test('what load refuses has no stack, which costs; whatever is made after it has', () => {
  const stacks = (['overloaded', 'not_found'] as const).map((code) => new ProblemError(code, 'No.').stack);
  expect(stacks.map((stack) => stack?.includes('problems.test'))).toEqual([false, true]);
});
