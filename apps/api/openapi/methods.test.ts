import { createRoute, z } from '@hono/zod-openapi';
import { expect, it } from 'vitest';
import { createRouter } from './describe.ts';
import { bodyTypes } from './methods.ts';

it('tells the types of a body by method and path, parameters of the path or none', () => {
  const api = createRouter();
  const typesOf = bodyTypes(api);
  const route = (method: 'get' | 'post' | 'put', path: string, type?: string): void => {
    const body = { content: { [type ?? '']: { schema: z.string() } } };
    const responses = { 204: { description: 'Done.' } };
    const request = type === undefined ? {} : { body };
    api.openapi(createRoute({ method, path, request, responses }), (c) => c.body(null, 204));
  };
  route('post', '/things', 'multipart/form-data');
  route('get', '/things');
  route('put', '/things/{id}', 'text/csv');
  route('put', '/things/all', 'application/json');
  expect([
    typesOf('POST', '/things'),
    typesOf('GET', '/things'),
    typesOf('PUT', '/things'),
    typesOf('PUT', '/things/7'),
    typesOf('PUT', '/things/all'),
    typesOf('PUT', '/things/7/parts'),
  ]).toEqual([['multipart/form-data'], [], [], ['text/csv'], ['text/csv', 'application/json'], []]);
});
