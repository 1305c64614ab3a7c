import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { sourcesIn } from './bundle.ts';

test('a kept bundle is one of the sources that stories stand on, wherever among the workflows they lie', async () => {
  const workflows = dirname(fileURLToPath(import.meta.resolve('@darkroom/workflows')));
  const names = (await sourcesIn(workflows)).map((file) => relative(workflows, file));
  expect(names).toEqual(
    expect.arrayContaining(['index.ts', 'job.ts', 'story/story.ts', 'contract/index.ts']),
  );
  expect(names.filter((name) => /node_modules|\.test\.ts$/.test(name))).toEqual([]);
});
