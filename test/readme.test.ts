/** What the README and the pages it leads to say is there: commands, files, variables, paths of the API. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { environment } from '@darkroom/platform/config/environment.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startTestApi, type TestApi } from '../apps/api/testing.ts';

const repository = join(import.meta.dirname, '..');
const names = [
  'README.md',
  'CHANGELOG.md',
  'docs/api.md',
  'docs/measurements.md',
  'docs/models.md',
  'docs/operation.md',
  'docs/predictions.md',
  'docs/servers.md',
  'docs/surveys.md',
];
const pages = await Promise.all(
  names.map(async (name) => ({ name, text: await readFile(join(repository, name), 'utf8') })),
);
const readme = pages[0]!.text;
const inText = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1]!);
const all = (pattern: RegExp): string[] => [...new Set(pages.flatMap(({ text }) => inText(text, pattern)))];

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

test('its commands are scripts of package.json', async () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')));
  const commands = all(/npm (?:run )?(start|test|(?<=run )[a-z]+)/g);
  expect(commands).toEqual(expect.arrayContaining(['demo', 'test', 'start', 'key', 'bench']));
  expect(commands.filter((name) => !(name in scripts))).toEqual([]);
});

test('its links lead to files', () => {
  const links = pages.flatMap(({ name, text }) =>
    inText(text, /\]\(((?!https?:)[^)#]+)[^)]*\)/g).map((link) => join(dirname(name), link)),
  );
  expect(links.length).toBeGreaterThan(5);
  expect(links.filter((file) => !existsSync(join(repository, file)))).toEqual([]);
});

test('its links to a part of a page lead to a heading', () => {
  const anchors = (text: string): string[] =>
    inText(text, /^#+ (.+)$/gm).map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );
  const links = pages.flatMap(({ name, text }) =>
    [...text.matchAll(/\]\(((?!https?:)[^)#]*)#([^)]+)\)/g)].map((match) => ({
      file: match[1] ? join(dirname(name), match[1]) : name,
      part: match[2]!,
    })),
  );
  expect(links.length).toBeGreaterThan(1);
  const lost = links.filter(({ file, part }) => {
    const page = pages.find((one) => one.name === file);
    return page !== undefined && !anchors(page.text).includes(part);
  });
  expect(lost).toEqual([]);
});

test('every page is led to from the README', () => {
  const led = inText(readme, /\]\(((?!https?:)[^)#]+)[^)]*\)/g);
  expect(names.slice(2).filter((name) => !led.includes(name))).toEqual([]);
});

test('its variables are in the configuration', () => {
  const outside = [
    ...['KEY', 'TASK', 'ONNXRUNTIME_NODE_INSTALL', 'MALLOC_ARENA_MAX', 'NODE_OPTIONS'],
    ...['NODE_USE_ENV_PROXY', 'NO_PROXY', 'HTTPS_PROXY', 'PIP_INDEX_URL', 'DARKROOM_KEY'],
  ];
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
