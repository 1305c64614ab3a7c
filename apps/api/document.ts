/** The OpenAPI document, made of the schemas that validate. */
import type { Api } from './context.ts';

const description = `Long imaging jobs that must not be lost.

A **job** of some **kind** goes through **stages**; a stage works on **items**. A submit answers 202 with the job's id once the
job is recorded, for good; then follow \`GET /v1/jobs/{id}\` or its event stream. Every error is an
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem with a stable \`code\`, whose fault it is and what to do next;
all codes are listed at [/docs/problems](/docs/problems).`;

/** Serves the document of all routes registered by then at /openapi.json. */
export function documentRoutes(api: Api, publicUrl: string): void {
  api.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of `npm run key -- create`.',
  });
  api.openAPIRegistry.registerComponent('securitySchemes', 'link', {
    type: 'apiKey',
    in: 'query',
    name: 'signature',
    description: 'The signature of a link that the API gave out.',
  });
  // Made once, when it is first asked for: it takes a tenth of a second, and needs no key.
  let text: string | undefined;
  api.get('/openapi.json', (c) => {
    text ??= JSON.stringify(
      api.getOpenAPI31Document({
        openapi: '3.1.0',
        info: { title: 'Darkroom', version: '1', description, license: { name: 'Apache-2.0' } },
        servers: [{ url: '/', description: 'This server' }, { url: publicUrl }],
        security: [{ key: [] }],
        tags: ['Analysis', 'Uploads', 'Jobs', 'Status'].map((name) => ({ name })),
      }),
    );
    return c.body(text, 200, { 'content-type': 'application/json', 'cache-control': 'no-cache' });
  });
}
