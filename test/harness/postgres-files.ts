/**
 * The files of a database server, made once for all tests: initdb is more than a second of work and the migrations are half of one, a copy is
 * hardly any.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
  const server = new SupervisedProcess(spec, { changed() {}, say() {} });
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
  await client.query(`create database ${migrated}`).finally(() => client.end());
  const url = new URL(server);
  url.pathname = `/${migrated}`;
  await migrate(url.href);
}
