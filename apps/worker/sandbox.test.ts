import { type SandboxReport, sandboxLacks } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { checkSandbox } from './sandbox.ts';

type Line = [level: 'info' | 'warn', about: { sandbox: SandboxReport }, message: string];

function logs() {
  const lines: Line[] = [];
  const line = (level: 'info' | 'warn') => (about: { sandbox: SandboxReport }, message: string) =>
    lines.push([level, about, message]);
  return { lines, logger: { info: line('info'), warn: line('warn') } };
}

it('says what lanes are held by, and what is missing', async () => {
  const { lines, logger } = logs();
  const report = await checkSandbox({ lane: { sandbox: 'auto' } }, [{ hasLanes: true }], logger);
  expect(lines).toHaveLength(1);
  const [[level, about, message] = []] = lines;
  expect(about).toEqual({ sandbox: report });
  expect(level).toBe(report !== undefined && sandboxLacks(report).length === 0 ? 'info' : 'warn');
  for (const missing of report?.missing ?? []) expect(message).toContain(missing);
  await checkSandbox({ lane: { sandbox: 'off' } }, [{ hasLanes: true }], logger);
  expect(lines[1]?.[0]).toBe('warn');
  expect(lines[1]?.[2]).toBe('lanes are held without anything (SANDBOX=off)');
});

it('does not ask where nothing is done in lanes', async () => {
  const { lines, logger } = logs();
  expect(await checkSandbox({ lane: { sandbox: 'required' } }, [{}], logger)).toBeUndefined();
  expect(lines).toEqual([]);
});
