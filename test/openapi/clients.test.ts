import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pythonTools } from '../harness/python.ts';
import { startTestStack } from '../harness/stack.ts';
import { checker, type OpenApi, operationsOf } from './document.ts';

/** Clients that generators make of the document of a running API: they submit, follow and fetch. */

const run = promisify(execFile);
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const photo = here('../../apps/local/_samples/cat.jpg');
const python = await pythonTools('openapi-client');

let stack: Awaited<ReturnType<typeof startTestStack>>;
let records: Records;
let url: string;
let key: string;
let document: OpenApi;

beforeAll(async () => {
  stack = await startTestStack('clients');
  const { postgres } = stack.stack;
  await migrate(postgres);
  records = openRecords({ url: postgres });
  const [api] = await Promise.all([stack.startApi(), stack.startWorker()]);
  url = api.url;
  ({ key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 }));
  document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi;
}, 300_000);

afterAll(async () => {
  await records?.close();
  await stack?.close();
});

const environment = () => ({ PATH: process.env.PATH ?? '', API_URL: url, API_KEY: key, PHOTO: photo });

const published = ['coco.json', 'results.csv', '1_result.json'];
const found = {
  events: expect.arrayContaining(['snapshot', 'state']),
  state: 'succeeded',
  percent: 100,
  detections: ['cat'],
};

describe('of openapi-typescript', () => {
  const folder = here('clients/typescript');

  test('its types hold a program that uses them, and the program gets what it asks for', async () => {
    const blob = ts.factory.createTypeReferenceNode('Blob');
    const ast = await openapiTS(structuredClone(document) as never, {
      // As its manual says of files in forms.
      transform: (schema) => (schema.format === 'binary' ? blob : undefined),
    });
    await mkdir(join(folder, 'generated'), { recursive: true });
    await writeFile(join(folder, 'generated', 'schema.d.ts'), astToString(ast));
    const tsc = here('../../node_modules/typescript/bin/tsc');
    await run(process.execPath, [tsc, '-p', folder]).catch((error) => {
      throw new Error(error.stdout);
    });

    const { stdout } = await run(process.execPath, [join(folder, 'story.ts')], { env: environment() });
    const got = JSON.parse(stdout);
    const whole = (path: string) => ({ path: expect.stringContaining(path), whole: true });
    expect(got.form).toMatchObject({ ...found, media: 'photo', scoreThreshold: 0.5, labels: ['cat'] });
    expect(got.form.manifest).toMatch(/^s3:/);
    expect(got.form.mode).toBeUndefined();
    expect(got.form.files).toEqual(expect.arrayContaining([...published, '1_result.jpg'].map(whole)));
    expect(got.upload).toMatchObject({ state: 'succeeded', scoreThreshold: 0.4 });
    expect(got.upload.files).toEqual(expect.arrayContaining(published.map(whole)));
    expect(got.problem).toBe('not_found');
  }, 300_000);
});

describe.skipIf(python.missing)(`of openapi-python-client (${python.missing ?? 'Python is there'})`, () => {
  test('it makes a client that gets what it asks for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'darkroom client '));
    try {
      await writeFile(join(folder, 'openapi.json'), JSON.stringify(document));
      const config = {
        post_hooks: [],
        // What is neither JSON nor a form is bytes.
        content_type_overrides: Object.fromEntries(
          [
            'application/zip',
            'application/gzip',
            'application/x-tar',
            'application/x-ndjson',
            'text/csv',
            'image/*',
            'application/fits',
          ].map((type) => [type, 'application/octet-stream']),
        ),
      };
      await writeFile(join(folder, 'config.json'), JSON.stringify(config));
      const made = await run(
        python.python!,
        [
          '-m',
          'openapi_python_client',
          'generate',
          '--fail-on-warning',
          ...['--path', 'openapi.json', '--config', 'config.json'],
          ...['--meta', 'none', '--output-path', 'darkroom_client'],
        ],
        { cwd: folder },
      ).catch((error) => {
        throw new Error(`${error.stdout}\n${error.stderr}`);
      });
      expect(`${made.stdout}${made.stderr}`).not.toMatch(/warning/i);
      const story = here('clients/python/story.py');
      const { stdout } = await run(python.python!, [story], {
        cwd: folder,
        env: { ...environment(), PYTHONPATH: folder },
      }).catch((error) => {
        throw new Error(`${error.stdout}\n${error.stderr}`);
      });
      const got = JSON.parse(stdout);
      expect(got).toMatchObject({ ...found, scoreThreshold: 0.5, finished: true, problem: 'not_found' });
      expect(got.files.length).toBeGreaterThan(3);
      expect(got.files.every(({ whole }: { whole: boolean }) => whole)).toBe(true);
      expect(got.archive).toBe('504b0304');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 300_000);
});

describe('what the API answers', () => {
  test('fits the document, whatever is asked of a task that has ended', async () => {
    const headers = { authorization: `Bearer ${key}` };
    const form = new FormData();
    form.append('file', new File([await readFile(photo)], 'cat.jpg'));
    const submitted = await fetch(`${url}/v1/analysis`, { method: 'POST', headers, body: form });
    const { task_id: id } = (await submitted.json()) as { task_id: string };
    const events = await (await fetch(`${url}/v1/jobs/${id}/events`, { headers })).text();

    const check = checker(document);
    const seen: string[] = [];
    for (const { path, method, operation } of operationsOf(document)) {
      if (method !== 'get' || path.startsWith('/v1/uploads')) continue;
      const address = path.replace(/\{(id|task_id)\}/, id).replace('{segment_id}', '1');
      const answer = await fetch(url + address, { headers });
      const [type = ''] = (answer.headers.get('content-type') ?? '').split(';');
      const content = operation.responses[answer.status]?.content ?? {};
      const media = content[type] ?? content[type.replace(/\/.*/, '/*')];
      const what = `${operation.operationId}: ${answer.status} ${type}`;
      expect(media, what).toBeDefined();
      const text = await answer.text();
      if (!/json$/.test(type)) continue;
      expect(check(media?.schema ?? {}, JSON.parse(text)), what).toBeUndefined();
      seen.push(what);
    }
    expect(seen.length).toBeGreaterThan(12);

    const told = events.split('\n\n').filter((block) => block.includes('event: '));
    expect(told.length).toBeGreaterThan(1);
    for (const block of told) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
      const event = { event: fields.event, id: fields.id, data: JSON.parse(fields.data) };
      expect(check({ $ref: '#/components/schemas/JobEvent' }, event), block).toBeUndefined();
    }
  }, 300_000);
});
