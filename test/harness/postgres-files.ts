/**
 * The files of a database server, made once for all tests: initdb is more than a second of work and the migrations are half of one, a copy is
 * hardly any.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { migrate } from '@darkroom/records';
import { homeFolder, repository } from '@darkroom/servers/home.mjs';
import { lock } from '@darkroom/servers/lock.mjs';
import { choosePlace } from '@darkroom/servers/run/place.ts';
import { freePort } from '@darkroom/servers/run/ports.ts';
import { embeddedPostgres, postgresUrl } from '@darkroom/servers/run/postgres.ts';
import { SupervisedProcess } from '@darkroom/servers/run/processes.ts';
import pg from 'pg';

const run = promisify(execFile);

const migrations = 'activities/records/migrations';
/** What goes into the files: the release of Postgres, how initdb is called, and the schema. */
const sources = [
  'package-lock.json',
  'deploy/servers/run/postgres.ts',
  'activities/records/migrate.ts',
  'test/harness/postgres-files.ts',
];
/** A database with the schema in it, to make others from; the one that everybody connects to is empty. */
export const migrated = 'migrated';

/** Puts them where `embeddedPostgres` finds a database for `folder`; the password of that database. */
export async function putDatabase(folder: string): Promise<string> {
  const made = await madeOnce();
  const place = await choosePlace(folder, () => {});
  await run('cp', ['-a', `${made.files}/.`, place.folder]);
  return made.password;
}

const memory = '/dev/shm';
/** Bytes that must be free: a database of a test grows to some tens of megabytes, and several run at once. */
const room = 2 << 30;

/**
 * A new folder for files that nobody needs tomorrow: in memory where the system has room for it, as to write a thousand files to a disk is up to
 * a second of the kernel's work. Those that tests left there when they were killed are removed. Whoever takes one removes it.
 */
export async function passingFolder(): Promise<string> {
  const { bavail, bsize } = await statfs(memory).catch(() => ({ bavail: 0, bsize: 0 }));
  if (bavail * bsize < room) return mkdtemp(join(tmpdir(), 'darkroom-postgres-'));
  // A process is known by its number within its namespace only.
  const namespace = (await readlink('/proc/self/ns/pid')).replaceAll(/\D/g, '');
  const prefix = `darkroom-postgres-${namespace}-`;
  for (const name of await readdir(memory)) {
    const [, pid] = new RegExp(`^${prefix}(\\d+)-`).exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid)))
      await rm(join(memory, name), { recursive: true, force: true });
  }
  return mkdtemp(join(memory, `${prefix}${process.pid}-`));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

interface Made {
  readonly files: string;
  readonly password: string;
}

async function madeOnce(): Promise<Made> {
  const hash = createHash('sha256');
  const steps = (await readdir(join(repository, migrations))).filter((name) => name.endsWith('.sql')).sort();
  for (const source of [...sources, ...steps.map((name) => join(migrations, name))])
    hash.update(source).update(await readFile(join(repository, source)));
  const folder = join(homeFolder(), 'databases', hash.digest('hex').slice(0, 12));
  // Written last: a folder without it was left half-made.
  const note = join(folder, 'made.json');
  const found = async () => (await readFile(note, 'utf8').catch(() => undefined)) ?? '';
  await mkdir(dirname(folder), { recursive: true });
  const read = (text: string): Made | undefined => (text === '' ? undefined : JSON.parse(text));
  const before = read(await found());
  if (before) return before;
  await using _held = await lock(folder, () => {});
  const meanwhile = read(await found());
  if (meanwhile) return meanwhile;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { mode: 0o711 });
  const password = randomBytes(12).toString('hex');
  const port = await freePort();
  const spec = await embeddedPostgres({
    folder: join(folder, 'data'),
    port,
    password,
    logFile: join(folder, 'log'),
    env: { PATH: process.env.PATH ?? '' },
    say: () => {},
  });
  // What is copied for each test is to be small: no part of the log is kept for what would be written next.
  const args = [...spec.args, '-c', 'wal_recycle=off', '-c', 'min_wal_size=32MB'];
  const server = new SupervisedProcess({ ...spec, args }, { changed() {}, say() {} });
  await server.start();
  try {
    await addMigrated(postgresUrl(port, password));
  } finally {
    // In order, so that who has a copy need not recover it.
    await server.stop();
  }
  const made = { files: spec.cwd, password };
  await writeFile(note, JSON.stringify(made), { mode: 0o600 });
  return made;
}

async function addMigrated(server: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(`create database ${migrated} strategy file_copy`).finally(() => client.end());
  const url = new URL(server);
  url.pathname = `/${migrated}`;
  await migrate(url.href);
}
