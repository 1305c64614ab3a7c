import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { logTail } from '@darkroom/servers/run/processes.ts';
import { repository } from '../home/layout.ts';
import { SetupError } from '../terminal.ts';

/**
 * Runs one of the repository's scripts to its end.
 * @throws SetupError with the end of its log when it fails.
 */
export async function runToEnd(
  script: string,
  env: Readonly<Record<string, string>>,
  logFile: string,
): Promise<void> {
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [join(repository, script)], {
    cwd: repository,
    env: { ...env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const how = await new Promise<string | number>((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code, signal) => done(signal ?? code ?? 1));
  });
  if (how !== 0)
    throw new SetupError(`${await logTail(logFile)}\n${script} failed (${how}). Its log: ${logFile}`);
}
