import { createTerminal, SetupError } from './terminal.ts';

/** What each file under commands/ exports. */
export interface Command {
  /** What `--help` prints. */
  readonly help: string;
  /** Returns the exit code. */
  run(args: readonly string[]): Promise<number>;
}

const names = ['demo', 'start', 'test', 'key', 'sweep', 'model', 'survey', 'bench'] as const;
const overview = `Darkroom runs durable imaging jobs.

  npm run demo              bring everything up, analyse the sample photos, show what was found, stop
  npm start                 bring everything up and keep it up
  npm test                  lint, types, arrows, and all tests on the real stack
  npm run key -- <action>   make, list and revoke keys of the API
  npm run sweep -- ...      tell the sweep what only an operator knows
  npm run model -- compare  show where the numbers of a Python pipeline and ours part
  npm run survey -- <action>
                            index, list and remove sky surveys
  npm run bench -- <name>   measure

Each tells more with --help, as in: npm start -- --help`;

async function load(name: (typeof names)[number]): Promise<Command> {
  switch (name) {
    case 'demo':
      return (await import('./commands/demo.ts')).demo;
    case 'start':
      return (await import('./commands/start.ts')).start;
    case 'test':
      return (await import('./commands/test.ts')).test;
    case 'key':
      return (await import('./commands/key.ts')).key;
    case 'sweep':
      return (await import('./commands/sweep.ts')).sweep;
    case 'model':
      return (await import('./commands/model.ts')).model;
    case 'survey':
      return (await import('./commands/survey.ts')).survey;
    case 'bench':
      return (await import('./commands/bench.ts')).bench;
  }
}

async function main([word, ...args]: readonly string[]): Promise<number> {
  const name = names.find((known) => known === word);
  if (!name) {
    console.log(overview);
    return word === undefined || word === '--help' || word === '-h' ? 0 : 2;
  }
  const command = await load(name);
  // A benchmark that is named tells of itself.
  const ofBenchmark = name === 'bench' && args[0]?.startsWith('-') === false;
  if (!ofBenchmark && (args.includes('--help') || args.includes('-h'))) {
    console.log(command.help);
    return 0;
  }
  return command.run(args);
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const { paint } = createTerminal(process.stderr);
  if (error instanceof SetupError) console.error(paint('red', error.message));
  else if (isFullDisk(error))
    console.error(
      paint('red', 'The disk is full. Free some space, or set DARKROOM_HOME to a folder on a larger disk.'),
    );
  else console.error(error);
  process.exit(1);
}

function isFullDisk(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOSPC';
}
