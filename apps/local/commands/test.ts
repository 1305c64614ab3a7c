import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultClassifier } from '@darkroom/recognition/converter/efficientnet/setup.ts';
import { ensureDefaultModel } from '@darkroom/recognition/converter/setup.ts';
import { type Tool, temporalTool, versitygwTool } from '@darkroom/servers/obtain/pins.mjs';
import { ensureProgram, findTool } from '@darkroom/servers/obtain/toolchain.mjs';
import type { Command } from '../cli.ts';
import { compiledForTests, removeForsaken, testHomes } from '../home/forsaken.ts';
import { homeFolder, layoutOf, prepareFolders, repository } from '../home/layout.ts';
import { createTerminal, type Terminal } from '../terminal.ts';
import { forgetReports, isPassed, none, type Tally, tallyRun } from './tally.ts';

const checks = ['lint', 'types', 'arrows'];
const runs = join(repository, '.turbo', 'runs');

/** `npm test`: every check and every test, on the real servers. */
export const test: Command = {
  help: `npm test [-- options]

Runs lint, types, arrows and all tests on real servers. What did not change since it last passed is taken from turbo's cache.

  --force      run everything, cached or not

A single package: npx turbo run test --filter=@darkroom/storage. A single file: npx vitest run activities/storage/names/uri.test.ts`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: { force: { type: 'boolean', default: false } },
    });
    const terminal = createTerminal();
    await ensureParts(terminal);
    forgetReports(repository);
    await rm(runs, { recursive: true, force: true });
    await removeForsaken(testHomes());
    const exitCode = await turbo(values.force);
    await removeForsaken(testHomes());
    const tally = await readTally();
    for (const remark of tally.remarks) terminal.say(terminal.paint('red', remark));
    for (const group of tally.leftOut) terminal.say(`left out: ${group}`);
    if (tally.skipped > 0) terminal.say(`${tally.skipped} skipped`);
    terminal.say(`${tally.passed} passed, ${tally.failed} failed`);
    const mayLeaveOut = !process.env.CI;
    if (!mayLeaveOut && tally.leftOut.length > 0)
      terminal.say('In CI nothing may be left out: install what the lines above ask for.');
    return exitCode === 0 && isPassed(tally, mayLeaveOut) ? 0 : 1;
  },
};

/** What tests start by themselves must be there before they do. */
async function ensureParts(terminal: Terminal): Promise<void> {
  const layout = layoutOf(homeFolder());
  await prepareFolders(layout);
  const program = async (tool: Tool) => {
    const origin = await findTool(tool, layout.tools, process.env, (line) => terminal.say(line));
    if (origin.kind !== 'address') await ensureProgram(tool, origin, terminal);
  };
  const model = ensureDefaultModel(layout.models, (line) => terminal.say(line));
  const classifier = ensureDefaultClassifier(layout.models, { listener: terminal });
  await Promise.all([program(versitygwTool), program(temporalTool), model, classifier]);
}

/** Runs all tasks, also after one has failed; returns turbo's exit code. */
function turbo(force: boolean): Promise<number> {
  const args = [
    'run',
    ...checks,
    'test',
    '--continue',
    '--summarize',
    '--output-logs=new-only',
    '--concurrency=2',
  ];
  const child = spawn(
    join(repository, 'node_modules', '.bin', 'turbo'),
    force ? [...args, '--force'] : args,
    {
      cwd: repository,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        TURBO_TELEMETRY_DISABLED: '1',
        DO_NOT_TRACK: '1',
        TEST_PYTHON: pythonVersion(),
        NODE_COMPILE_CACHE: compiledForTests(),
      },
    },
  );
  // The terminal's Ctrl-C reaches turbo too; what it had done by then is still summed up.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code) => done(code ?? 1));
  });
}

/** Part of turbo's key: what was left out for want of Python runs once it is there. */
function pythonVersion(): string {
  return spawnSync('python3', ['--version'], { encoding: 'utf8', timeout: 60_000 }).stdout?.trim() ?? '';
}

async function readTally(): Promise<Tally> {
  const [summary] = existsSync(runs) ? await readdir(runs) : [];
  if (!summary) return { ...none, failed: 1, remarks: ['turbo did not run; read its lines above'] };
  return tallyRun(repository, await readFile(join(runs, summary), 'utf8'), checks);
}
