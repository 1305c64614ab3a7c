import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ensureSecrets } from './secrets.ts';
import { readStack, type Stack, writeStack } from './stackfile.ts';

const stack: Stack = {
  api: 'http://localhost:8000',
  key: 'dk_x',
  postgres: 'postgres://darkroom:x@127.0.0.1:54329/postgres',
  temporal: { address: '127.0.0.1:7233', ui: 'http://localhost:8233', namespace: 'default' },
  s3: {
    endpoint: 'http://127.0.0.1:7070',
    accessKeyId: 'A',
    secretAccessKey: 'B',
    bucket: 'darkroom',
    region: 'us-east-1',
  },
  pids: { api: 1, worker: 2, temporal: 3, postgres: 4, s3: 5, supervisor: 6 },
};
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-stack-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('is read as it was written, by its owner alone, with nothing left beside it', async () => {
  const path = join(folder, 'stack.json');
  await writeFile(path, 'older', { mode: 0o644 });
  await writeStack(path, stack);
  expect(await readStack(path)).toEqual(stack);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['stack.json']);
});

it.each(['', '{', '{"api":1}'])('takes %j for no stack', async (text) => {
  const path = join(folder, 'stack.json');
  await writeFile(path, text);
  expect(await readStack(path)).toBeUndefined();
});

it('keeps the secrets of a folder', async () => {
  const path = join(folder, 'secrets.json');
  const first = await ensureSecrets(path);
  expect(await ensureSecrets(path)).toEqual(first);
  expect(await ensureSecrets(join(folder, 'other.json'))).not.toEqual(first);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});
