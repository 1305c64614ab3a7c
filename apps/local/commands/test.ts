import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Command } from '../cli.ts';
import { removeForsaken, testHomes } from '../forsaken.ts';
import { homeFolder, layoutOf, prepareFolders, repository } from '../layout.ts';
import { ensureModel } from '../model.ts';
import { forgetReports, type Tally, tallyRun } from '../tally.ts';
import { createTerminal, type Terminal } from '../terminal.ts';
import { ensureProgram, findTool, temporalTool, versitygwTool } from '../toolchain.ts';

const checks = ['lint', 'types', 'arrows'];
const runs = join(repository, '.turbo', 'runs');

/** `npm test`: every check and every test, on the real servers. */
export const test: Command = {
  help: `npm test [-- options]

Runs lint, types, arrows and all tests on real servers. What did not change since it last passed is taken from turbo's cache.

  --force      run everything, cached or not

A single package: npx turbo run test --filter=@darkroom/storage. A single file: npx vitest run activities/storage/uri.test.ts`,
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
    if (tally.skipped > 0) terminal.say(`${tally.skipped} skipped`);
    terminal.say(`${tally.passed} passed, ${tally.failed} failed`);
    return exitCode === 0 && tally.failed === 0 ? 0 : 1;
  },
};

/** What tests start by themselves must be there before they do. */
async function ensureParts(terminal: Terminal): Promise<void> {
  const layout = layoutOf(homeFolder());
  await prepareFolders(layout);
  for (const tool of [versitygwTool, temporalTool]) {
    const origin = await findTool(tool, layout.tools, process.env, (line) => terminal.say(line));
    if (origin.kind !== 'address') await ensureProgram(tool, origin, terminal);
  }
  await ensureModel(layout.models, terminal);
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
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
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

async function readTally(): Promise<Tally> {
  const [summary] = existsSync(runs) ? await readdir(runs) : [];
  if (!summary)
    return { passed: 0, failed: 1, skipped: 0, remarks: ['turbo did not run; read its lines above'] };
  return tallyRun(repository, await readFile(join(runs, summary), 'utf8'), checks);
}
