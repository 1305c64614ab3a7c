import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { choosePlace, type Place } from './place.ts';
import type { ProcessSpec } from './processes.ts';
import { SetupError } from './terminal.ts';

const run = promisify(execFile);
const user = 'darkroom';

export interface PostgresSettings {
  /** The folder for the database's files; its parent exists. */
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

/** The address of the embedded Postgres. */
export function postgresUrl(port: number, password: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/postgres`;
}

/** Makes the database's files if there are none, and tells how to run the server over them. */
export async function embeddedPostgres(settings: PostgresSettings): Promise<ProcessSpec> {
  const place = await choosePlace(settings.folder, settings.say);
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

async function initialise(place: Place, password: string): Promise<void> {
  const passwordFile = `${place.folder}.password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (place.identity.uid !== undefined)
    await chown(passwordFile, place.identity.uid, place.identity.gid ?? place.identity.uid);
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
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    const said = stderr || String(error);
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
