import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SandboxReport, sandboxLacks } from '@darkroom/contract';
import { loadConfig } from '@darkroom/platform';
import { expect, it, onTestFinished } from 'vitest';
import { checkSandbox } from './sandbox.ts';
import { queueDefinitions } from './workers.ts';

type Line = [level: 'info' | 'warn', about: { sandbox: SandboxReport }, message: string];

function logs() {
  const lines: Line[] = [];
  const line = (level: 'info' | 'warn') => (about: { sandbox: SandboxReport }, message: string) =>
    lines.push([level, about, message]);
  return { lines, logger: { info: line('info'), warn: line('warn') } };
}
const config = (env: Record<string, string> = {}) =>
  loadConfig({ DATABASE_URL: 'postgres://localhost:5432/none', ...env });
const { media, recognition, light } = queueDefinitions;

it('says what lanes are held by, and what is missing', async () => {
  const { lines, logger } = logs();
  const report = await checkSandbox(config(), [media], logger);
  expect(lines).toHaveLength(1);
  const [[level, about, message] = []] = lines;
  expect(about).toEqual({ sandbox: report });
  expect(level).toBe(report !== undefined && sandboxLacks(report).length === 0 ? 'info' : 'warn');
  for (const missing of report?.missing ?? []) expect(message).toContain(missing);
  await checkSandbox(config({ SANDBOX: 'off' }), [media], logger);
  expect(lines[1]?.[0]).toBe('warn');
  expect(lines[1]?.[2]).toBe('lanes are held without anything (SANDBOX=off)');
});

it('says that lanes with a GPU are held by nothing, whatever holds the others', async () => {
  const { lines, logger } = logs();
  const report = await checkSandbox(config({ RECOGNITION_DEVICE: 'cuda' }), [recognition, media], logger);
  expect(report).toMatchObject({ landlock: 0, seccomp: false });
  expect(lines).toMatchObject([['warn', {}, expect.stringContaining('RECOGNITION_DEVICE')]]);
});

it.runIf(process.getuid?.() === 0)(
  'says that lanes stay with their worker’s user where others may not read the model',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'closed-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const closed = join(folder, 'models');
    mkdirSync(closed, { mode: 0o700 });
    writeFileSync(join(closed, 'own.onnx'), '');
    const { lines, logger } = logs();
    const report = await checkSandbox(
      config({ MODEL_PATH: join(closed, 'own.onnx') }),
      [media, recognition],
      logger,
    );
    expect(report?.user).toBe(false);
    expect(lines).toMatchObject([['info', {}, expect.stringContaining('own.onnx is not readable')]]);
  },
);

it('does not ask where nothing is done in lanes', async () => {
  const { lines, logger } = logs();
  expect(await checkSandbox(config({ SANDBOX: 'required' }), [light], logger)).toBeUndefined();
  expect(lines).toEqual([]);
});
