import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SetupError } from '../setup-error.mjs';

const run = promisify(execFile);
const marker = 'lost-runs';

/** The file that Temporal's development server keeps its histories in. */
export interface TemporalDatabase {
  readonly file: string;
  /** Where the files of another server went by this start. */
  readonly replaced?: string;
  /** Whether the runs of an earlier file are gone and nobody has queued their jobs again yet: this start's or an earlier one's to do. */
  readonly lostRuns: boolean;
  /** To be called when those jobs are queued again. */
  confirmed(): Promise<void>;
}

/** The server inside the program, as major.minor. @throws SetupError when the program does not tell. */
export async function serverVersion(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version'], { timeout: 30_000 });
  const version = readServerVersion(stdout);
  if (!version) throw new SetupError(`${program} --version names no server: ${stdout.trim()}`);
  return version;
}

/** major.minor of the server in the output of `temporal --version`. */
export function readServerVersion(output: string): string | undefined {
  return /Server (\d+\.\d+)/.exec(output)?.[1];
}

/**
 * Chooses the file for a server of this version (major.minor). The development server makes its tables in a new file only and
 * never migrates: a file that another version has written is moved to `earlier/` and not opened again. A file of this version that
 * lies beside one of another goes there too: which of them knows the last runs cannot be told, and old runs must not come back.
 */
export async function chooseDatabase(folder: string, server: string): Promise<TemporalDatabase> {
  const name = `temporal-${server}.db`;
  const files = (await readdir(folder)).filter((entry) =>
    /^temporal.*\.db(-wal|-shm|-journal)?$/.test(entry),
  );
  const isOfAnother = files.some((entry) => !entry.startsWith(name));
  let replaced: string | undefined;
  if (isOfAnother) {
    // Before the move: a start that dies in between must still know that runs were lost.
    await writeFile(join(folder, marker), '');
    replaced = join(folder, 'earlier', new Date().toISOString().replaceAll(':', '-'));
    await mkdir(replaced, { recursive: true });
    for (const entry of files) await rename(join(folder, entry), join(replaced, entry));
  }
  return {
    file: join(folder, name),
    ...(replaced === undefined ? {} : { replaced }),
    lostRuns: existsSync(join(folder, marker)),
    confirmed: () => rm(join(folder, marker), { force: true }),
  };
}
