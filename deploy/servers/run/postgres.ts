import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { SetupError } from '../setup-error.mjs';
import { choosePlace, type Place } from './place.ts';
import type { ProcessSpec } from './processes.ts';

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
  if (!isWhole(place.folder)) await initialise(place, settings);
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
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000, query_timeout: 3000 });
  // A server that ends while it is asked tells by this event too, which nobody else hears.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
  } finally {
    await client.end();
  }
}

/** initdb writes PG_VERSION first and the control file near the end of what it does in one go. */
function isWhole(folder: string): boolean {
  return existsSync(join(folder, 'PG_VERSION')) && existsSync(join(folder, 'global', 'pg_control'));
}

/**
 * Makes the database's files in a folder beside, of this process alone, and puts it in place by rename: an initdb that is interrupted
 * leaves nothing that looks like a database. What lies in the place and is none (an interrupted initdb of before) is moved aside.
 */
async function initialise({ programs, folder, identity }: Place, settings: PostgresSettings): Promise<void> {
  const parent = dirname(folder);
  const beside = (await readdir(parent)).filter((name) => name.startsWith(`${basename(folder)}.new-`));
  for (const name of beside) await rm(join(parent, name), { recursive: true, force: true });
  const fresh = `${folder}.new-${process.pid}`;
  const passwordFile = `${folder}.password`;
  const own = async (path: string): Promise<void> => {
    if (identity.uid !== undefined) await chown(path, identity.uid, identity.gid ?? identity.uid);
  };
  const args = [
    `--pgdata=${fresh}`,
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
    await mkdir(fresh);
    await chmod(fresh, 0o700);
    await own(fresh);
    await writeFile(passwordFile, settings.password, { mode: 0o600 });
    await own(passwordFile);
    await run(join(programs, 'bin', 'initdb'), args, { cwd: fresh, ...identity });
    await moveAside(folder, settings.say);
    await rename(fresh, folder);
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    const said = stderr || String(error);
    throw new SetupError(`${said}\nPostgres could not make its files in ${folder}.`);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(fresh, { recursive: true, force: true });
  }
}

async function moveAside(folder: string, say: (line: string) => void): Promise<void> {
  const found = await readdir(folder).catch(() => []);
  if (found.length === 0) return;
  const aside = `${folder}.incomplete-${new Date().toISOString().replaceAll(':', '-')}`;
  await rename(folder, aside);
  say(
    `${folder} held no whole database (an interrupted set-up); it lies in ${aside} now, and a new one was made.`,
  );
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
