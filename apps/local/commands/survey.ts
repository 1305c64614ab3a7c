import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '@darkroom/platform';
import { openRecords, type Records } from '@darkroom/records';
import { type SurveyDefinition, surveyDefinition } from '@darkroom/sky/survey/definition/definition.ts';
import { readSurvey, SurveyFileError, surveyFiles } from '@darkroom/sky/survey/definition/read.ts';
import {
  type IndexProgress,
  type IndexReport,
  indexSurvey,
  NothingFound,
} from '@darkroom/sky/survey/indexing/index.ts';
import { listSurveys, removeSurvey, surveyInFull } from '@darkroom/sky/survey/records/surveys.ts';
import { IndexSuperseded } from '@darkroom/sky/survey/records/writing.ts';
import { createStorage, StorageError } from '@darkroom/storage';
import type { Command } from '../cli.ts';
import { homeFolder, layoutOf } from '../home/layout.ts';
import { readStack, type Stack } from '../home/stackfile.ts';
import { createTerminal, SetupError } from '../terminal.ts';
import { databaseUrl } from './database.ts';

/** `npm run survey`: the sky surveys that cutouts are made of. */
export const survey: Command = {
  help: `npm run survey -- index NAME|FILE [s3://bucket/prefix/] [--verify] [--at-once N]
npm run survey -- list
npm run survey -- show NAME
npm run survey -- remove NAME

A survey is a YAML file that says where its tiles lie and what they are; docs/surveys.md has all of it, and examples.

  index    looks at all of its files: reads the headers of those that are new or have changed, writes down which sky each covers, forgets
           what is gone. Broken files are named and left out. A run that was ended goes on where it was when it is repeated.
           NAME is a file NAME.yaml in SURVEYS_PATH (DARKROOM_HOME/surveys), or a survey that was indexed before.
  list     the surveys that are served           show     one in full, with its broken files
  remove   takes it off the platform; its files stay where they are

  s3://…      where relative paths of the file begin, in place of its root
  --verify    reads files whole, checks their DATASUM and CHECKSUM, and keeps a checksum of every 64 KiB: from then on each read of them
              is checked, and what has changed is refused
  --at-once   files that are read at a time; default 8

Works on DATABASE_URL and S3_ENDPOINT, else on the stack that npm start keeps up. Exit code 1 where files were broken.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { verify: { type: 'boolean', default: false }, 'at-once': { type: 'string', default: '8' } },
    });
    const [action, which, root, ...more] = positionals;
    const isComplete = action === 'list' ? which === undefined : which !== undefined;
    if (!isComplete || more.length > 0 || (root !== undefined && action !== 'index')) {
      console.log(survey.help);
      return 2;
    }
    const records = openRecords({ url: await databaseUrl(), application: 'darkroom-survey' });
    try {
      switch (action) {
        case 'index': {
          const atOnce = atOnceOf(values['at-once']);
          return await index(records, await definitionOf(records, which!, root), {
            verify: values.verify,
            atOnce,
          });
        }
        case 'list':
          return await list(records);
        case 'show':
          return await show(records, which!);
        case 'remove':
          if (!(await removeSurvey(records.db, which!))) throw noSurvey(which!);
          console.log(`Removed ${which}. Its files are where they were.`);
          return 0;
      }
    } catch (error) {
      if (
        error instanceof SurveyFileError ||
        error instanceof NothingFound ||
        error instanceof IndexSuperseded
      )
        throw new SetupError(error.message);
      if (error instanceof StorageError)
        throw new SetupError(`${error.message} Nothing that was indexed is lost.`);
      throw error;
    } finally {
      await records.close();
    }
    console.log(survey.help);
    return 2;
  },
};

const noSurvey = (name: string): SetupError =>
  new SetupError(`No survey ${name} was indexed. See: npm run survey -- list`);

function atOnceOf(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new SetupError(`--at-once is a number from 1 to 99, not "${text}".`);
}

/** Of a file, of a name in the folder of surveys, or as it was indexed last. */
async function definitionOf(
  { db }: Records,
  which: string,
  root: string | undefined,
): Promise<SurveyDefinition> {
  const folder = surveysFolder();
  const isFile = /[/\\]|\.ya?ml$|\.json$/.test(which);
  const file = isFile
    ? which
    : (await surveyFiles(folder)).find((path) => path.match(/([^/\\]+)\.ya?ml$/)?.[1] === which);
  if (isFile && !existsSync(which)) throw new SetupError(`There is no file ${which}.`);
  const found = file === undefined ? (await surveyInFull(db, which))?.definition : await readSurvey(file);
  if (found === undefined)
    throw new SetupError(
      `There is no ${which}.yaml in ${folder}, and no survey ${which} was indexed. Name a file.`,
    );
  if (root === undefined) return found;
  const moved = surveyDefinition.safeParse({ ...found, root: root.endsWith('/') ? root : `${root}/` });
  if (!moved.success) throw new SetupError(`${root} is no prefix: write it as s3://bucket/prefix/.`);
  return moved.data;
}

/** Where the YAML files lie, as the configuration has it; it need not be whole, since this command needs little of it. */
const surveysFolder = (): string =>
  process.env.SURVEYS_PATH ? resolve(process.env.SURVEYS_PATH) : join(homeFolder(), 'surveys');

async function index(
  records: Records,
  definition: SurveyDefinition,
  options: { readonly verify: boolean; readonly atOnce: number },
): Promise<number> {
  const terminal = createTerminal();
  const storage = createStorage(await storeOptions());
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const progress = terminal.progress(`Indexing ${definition.name}`);
  try {
    const report = await indexSurvey(definition, {
      db: records.db,
      store: storage,
      ...options,
      signal: stopped.signal,
      onProgress: (now) => progress.update(told(now)),
    });
    progress.done();
    for (const { uri, detail } of report.broken.slice(0, 20))
      terminal.say(terminal.paint('red', detail.includes(uri) ? detail : `${uri}: ${detail}`));
    if (report.broken.length > 20)
      terminal.say(`and ${report.broken.length - 20} more: npm run survey -- show ${definition.name}`);
    terminal.say(summaryOf(definition, report));
    return report.broken.length > 0 ? 1 : 0;
  } catch (error) {
    progress.done();
    if (!stopped.signal.aborted) throw error;
    terminal.say('Stopped. What was read is kept: the same command goes on from here.');
    return 130;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    storage.close();
  }
}

function told({ done, total, broken, verifiedBytes }: IndexProgress): string {
  const bytes = verifiedBytes > 0 ? `, ${(verifiedBytes / 1e9).toFixed(2)} GB verified` : '';
  return `${done} of ${total} files${bytes}${broken > 0 ? `, ${broken} broken` : ''}`;
}

function summaryOf({ name }: SurveyDefinition, report: IndexReport): string {
  const { tiles, files, read, unchanged, removed, area, broken, withoutDatasum, verified } = report;
  const parts = [
    `${name}: ${tiles} tiles, ${files} images, weights and masks, ${area.toFixed(area < 10 ? 3 : 0)} square degrees.`,
    `${read} files read, ${unchanged} unchanged, ${removed} removed, ${broken.length} broken.`,
    ...(verified ? ['All of it is verified.'] : []),
    ...(withoutDatasum > 0
      ? [`${withoutDatasum} files have no DATASUM: they are held to what they were today.`]
      : []),
  ];
  return parts.join(' ');
}

async function list({ db }: Records): Promise<number> {
  const rows = (await listSurveys(db)).map((row) => ({
    name: row.name,
    release: row.definition.release,
    state: row.state,
    tiles: row.tiles,
    'square degrees': Number(row.area.toFixed(3)),
    verified: row.verified,
    broken: row.brokenCount,
    readers: row.definition.readers === 'public' ? 'public' : row.definition.readers.join(', '),
    indexed: row.indexedAt?.toISOString() ?? 'never to the end',
  }));
  if (rows.length === 0) console.log('No survey was indexed. See: npm run survey -- --help');
  else console.table(rows);
  return 0;
}

async function show({ db }: Records, name: string): Promise<number> {
  const found = await surveyInFull(db, name);
  if (found === undefined) throw noSurvey(name);
  console.log(JSON.stringify(found, undefined, 2));
  return 0;
}

/** The store of S3_ENDPOINT, else of the stack that is up, else what the environment's credentials reach. */
async function storeOptions() {
  const stack = await readStack(layoutOf(homeFolder()).stackFile);
  if (!process.env.S3_ENDPOINT && stack?.pids.supervisor !== undefined) return ofStack(stack.s3);
  const { s3 } = loadConfig({
    ...process.env,
    DATABASE_URL: await databaseUrl(),
    S3_BUCKET: process.env.S3_BUCKET ?? 'darkroom',
  });
  return s3;
}

const ofStack = ({ endpoint, region, bucket, accessKeyId, secretAccessKey }: Stack['s3']) => ({
  endpoint,
  region: region || undefined,
  bucket,
  accessKeyId: accessKeyId || undefined,
  secretAccessKey: secretAccessKey || undefined,
  forcePathStyle: true,
});
