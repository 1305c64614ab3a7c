import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { accessLog } from './access-log.ts';
import { openRotatingFile } from './rotating-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-log-'));
});
afterEach(() => rm(folder, { recursive: true }));

const failOn = (error: unknown): never => {
  throw error;
};

async function linesOf(path: string, files: number): Promise<string[]> {
  const found: string[] = [];
  for (let n = files; n >= 0; n--) {
    const text = await readFile(n === 0 ? path : `${path}.${n}`, 'utf8').catch(() => '');
    found.push(...text.split('\n').filter(Boolean));
  }
  return found;
}

test('no line is lost, split or moved, and no file grows past its size', async () => {
  const line = fc.string({ minLength: 1, maxLength: 30, unit: fc.constantFrom('a', 'b', 'é', '☃') });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 40 }), fc.nat(40), async (lines, restart) => {
      const path = join(folder, `${run++}`, 'output.log');
      for (const part of [lines.slice(0, restart), lines.slice(restart)]) {
        const file = openRotatingFile(path, { maxBytes: 100, keep: 100, onError: failOn });
        for (const each of part) file.append(each);
        await file.close();
      }
      expect(await linesOf(path, 100)).toEqual(lines);
      for (const name of await readdir(join(path, '..')))
        expect((await stat(join(path, '..', name))).size).toBeLessThanOrEqual(100);
    }),
    { numRuns: 25 },
  );
});

test('the newest lines are in output.log itself, and only so many files are kept', async () => {
  const path = join(folder, 'output.log');
  const file = openRotatingFile(path, { maxBytes: 10, keep: 2, onError: failOn });
  for (let n = 1; n <= 9; n++) file.append(`line ${n}`);
  await file.close();
  expect((await readdir(folder)).sort()).toEqual(['output.log', 'output.log.1', 'output.log.2']);
  expect(await readFile(path, 'utf8')).toBe('line 9\n');
  expect(await linesOf(path, 2)).toEqual(['line 7', 'line 8', 'line 9']);
});

test('a line that a killed process left unfinished does not swallow the next', async () => {
  const path = join(folder, 'output.log');
  await appendFile(path, 'whole\nhal');
  const file = openRotatingFile(path, { maxBytes: 1000, keep: 1, onError: failOn });
  file.append('next');
  await file.close();
  expect(await readFile(path, 'utf8')).toBe('whole\nhal\nnext\n');
});

test('a write that fails is told, and later ones are tried again', async () => {
  const path = join(folder, 'blocked', 'output.log');
  await writeFile(join(folder, 'blocked'), 'a file where the folder should be');
  const errors: unknown[] = [];
  const file = openRotatingFile(path, { maxBytes: 1000, keep: 1, onError: (error) => errors.push(error) });
  file.append('lost');
  await expect.poll(() => errors).toHaveLength(1);
  await rm(join(folder, 'blocked'));
  file.append('kept');
  await file.close();
  expect(await readFile(path, 'utf8')).toBe('kept\n');
});

test('the access log says who asked for what and keeps no signature', async () => {
  const path = join(folder, 'output.log');
  const log = accessLog(path);
  log.write({
    who: 'ada',
    method: 'GET',
    route: '/v1/jobs/{id}/results',
    path: '/v1/jobs/7/results?signature=abc',
    status: 200,
    ms: 12.3456,
    jobId: '7',
    traceId: 'f'.repeat(32),
  });
  log.write({ who: undefined, method: 'GET', route: '/docs', path: '/docs', status: 200, ms: 1 });
  await log.close();
  const [first, second] = (await linesOf(path, 0)).map((line) => JSON.parse(line));
  expect(first).toMatchObject({
    who: 'ada',
    method: 'GET',
    path: '/v1/jobs/7/results?signature=[redacted]',
    status: 200,
    ms: 12.3,
    jobId: '7',
  });
  expect(Math.abs(Date.now() - Date.parse(first.at))).toBeLessThan(60_000);
  expect(second.who).toBeNull();
});
