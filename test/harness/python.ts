import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { homeFolder } from '@darkroom/servers/home.mjs';
import { lock } from '@darkroom/servers/lock.mjs';

const run = promisify(execFile);

/** A pinned set of Python packages: test/harness/python/<name>.txt. */
export type PythonSet =
  | 'astropy'
  | 'moto'
  | 'openapi-client'
  | 'prediction-peers'
  | 'cutout-peers'
  | 'cutana'
  | 'inference';

/** `python` is the interpreter of an environment that has the set; or `missing` says why there is none. */
export type PythonTools =
  | { readonly python: string; readonly missing?: undefined }
  | { readonly python?: undefined; readonly missing: string };

const LEAST = [3, 11] as const;
/** Prints the version where a virtual environment can be made. */
const PROBE = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])';
const INSTALL_MS = 600_000;

/**
 * The environment of a set, made in the cache folder when it is not there yet; a lock keeps test processes from making it twice.
 * Without Python (or its packages' registry) it says what is missing, so that a test can leave itself out by
 * `describe.skipIf(tools.missing)`; in CI that is an error.
 */
export async function pythonTools(name: PythonSet): Promise<PythonTools> {
  try {
    return { python: await environmentOf(name) };
  } catch (error) {
    if (process.env.CI) throw error;
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

async function environmentOf(name: PythonSet): Promise<string> {
  const { command, version } = await findPython();
  const requirements = join(import.meta.dirname, 'python', `${name}.txt`);
  const digest = createHash('sha256')
    .update(`${version}\n${await readFile(requirements, 'utf8')}`)
    .digest('hex');
  const folder = join(homeFolder(), 'python', `${name}-${digest.slice(0, 12)}`);
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  // Written last: a folder without it was left half-made.
  const whole = join(folder, 'whole');
  if (existsSync(whole)) return python;
  await using _held = await lock(folder, () => {});
  if (existsSync(whole)) return python;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const limits = { timeout: INSTALL_MS, maxBuffer: 64 * 1024 * 1024 };
  await run(command, ['-m', 'venv', folder], limits);
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-input',
    // What is never imported need not be compiled.
    '--no-compile',
    '--retries',
    '1',
  ];
  const pinned = ['--require-hashes', '--only-binary', ':all:', '--no-deps', '--requirement', requirements];
  await run(python, [...pip, ...pinned], limits);
  await writeFile(whole, '');
  return python;
}

async function findPython(): Promise<{ command: string; version: string }> {
  for (const command of ['python3', 'python']) {
    const version = await run(command, ['-c', PROBE], { timeout: 60_000 }).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major === LEAST[0] && minor >= LEAST[1]) return { command, version };
  }
  throw new Error(`Python ${LEAST.join('.')} or later with its venv module was not found.`);
}
