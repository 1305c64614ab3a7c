/** What the README says is there: commands, files, variables, paths of the API. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environment } from '@darkroom/platform/environment.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestApi, type TestApi } from '../apps/api/testing.ts';

const repository = join(import.meta.dirname, '..');
const readme = await readFile(join(repository, 'README.md'), 'utf8');
const all = (pattern: RegExp): string[] => [
  ...new Set([...readme.matchAll(pattern)].map((match) => match[1]!)),
];

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

test('its commands are scripts of package.json', async () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')));
  const commands = all(/npm (?:run )?([a-z]+)/g);
  expect(commands).toEqual(expect.arrayContaining(['demo', 'test', 'start', 'key', 'bench']));
  expect(commands.filter((name) => !(name in scripts))).toEqual([]);
});

test('its links lead to files', () => {
  const files = all(/\]\(((?!https?:)[^)#]+)\)/g);
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((file) => !existsSync(join(repository, file)))).toEqual([]);
});

test('its variables are in the configuration', () => {
  const outside = ['KEY', 'TASK', 'ONNXRUNTIME_NODE_INSTALL', 'MALLOC_ARENA_MAX', 'NODE_OPTIONS'];
  const variables = all(/\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b/g).filter((name) => !outside.includes(name));
  expect(variables.length).toBeGreaterThan(5);
  expect(variables.filter((name) => !(name in environment.shape))).toEqual([]);
});

test('its curl lines call paths of the API', async () => {
  const document = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(await (await fetch(`${api.url}/openapi.json`)).json());
  const calls = readme.matchAll(/^curl (.*?)localhost:8000(\/[^\s'?]*)/gm);
  const known = Object.keys(document.paths).map(
    (path) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  );
  const paths = [...calls].map((call) => call[2]!.replace('$TASK', 'id'));
  expect(paths.length).toBeGreaterThan(8);
  expect(paths.filter((path) => !known.some((pattern) => pattern.test(path)))).toEqual([]);
});
