/** The files of a database that holds nothing yet, made once for all tests: initdb is more than a second of work, a copy is hardly any. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { homeFolder, repository } from '@darkroom/servers/home.mjs';
import { lock } from '@darkroom/servers/lock.mjs';
import { choosePlace } from '@darkroom/servers/run/place.ts';
import { embeddedPostgres } from '@darkroom/servers/run/postgres.ts';

const run = promisify(execFile);

/** What goes into the files: the release of Postgres, and how initdb is called. */
const sources = ['package-lock.json', 'deploy/servers/run/postgres.ts'];

/** Puts them where `embeddedPostgres` finds a database for `folder`; the password of that database. */
export async function putEmptyDatabase(folder: string): Promise<string> {
  const empty = await emptyDatabase();
  const place = await choosePlace(folder, () => {});
  await run('cp', ['-a', `${empty.files}/.`, place.folder]);
  return empty.password;
}

interface EmptyDatabase {
  readonly files: string;
  readonly password: string;
}

async function emptyDatabase(): Promise<EmptyDatabase> {
  const hash = createHash('sha256');
  for (const source of sources) hash.update(await readFile(join(repository, source)));
  const folder = join(homeFolder(), 'databases', hash.digest('hex').slice(0, 12));
  // Written last: a folder without it was left half-made.
  const note = join(folder, 'empty.json');
  const found = async () => (await readFile(note, 'utf8').catch(() => undefined)) ?? '';
  await mkdir(dirname(folder), { recursive: true });
  const read = (text: string): EmptyDatabase | undefined => (text === '' ? undefined : JSON.parse(text));
  const before = read(await found());
  if (before) return before;
  await using _held = await lock(folder, () => {});
  const meanwhile = read(await found());
  if (meanwhile) return meanwhile;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { mode: 0o711 });
  const password = randomBytes(12).toString('hex');
  const { cwd: files } = await embeddedPostgres({
    folder: join(folder, 'data'),
    port: 0,
    password,
    logFile: join(folder, 'log'),
    env: { PATH: process.env.PATH ?? '' },
    say: () => {},
  });
  const made = { files, password };
  await writeFile(note, JSON.stringify(made), { mode: 0o600 });
  return made;
}
