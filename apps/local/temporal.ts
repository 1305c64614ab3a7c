import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import type { ProcessSpec } from './processes.ts';

const run = promisify(execFile);

export interface TemporalSettings {
  readonly program: string;
  readonly file: string;
  readonly port: number;
  readonly uiPort: number;
  readonly logFile: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The server takes priority and fairness seriously only with these; one partition makes the order exact. */
const dynamicConfig = [
  'matching.useNewMatcher=true',
  'matching.enableFairness=true',
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
];

/** The search attributes that every job's workflow carries; a start with one that is not registered fails. */
export const searchAttributes = { JobKind: 'Keyword', JobOwner: 'Keyword', JobState: 'Keyword' } as const;

/** How to run Temporal's development server over one file. */
export function embeddedTemporal(settings: TemporalSettings): ProcessSpec {
  const address = `127.0.0.1:${settings.port}`;
  return {
    name: 'temporal',
    command: settings.program,
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(settings.port)],
      ...['--ui-ip', '127.0.0.1', '--ui-port', String(settings.uiPort)],
      ...['--db-filename', settings.file, '--log-level', 'warn'],
      ...dynamicConfig.flatMap((pair) => ['--dynamic-config-value', pair]),
    ],
    env: settings.env,
    cwd: settings.cwd,
    logFile: settings.logFile,
    probe: async (signal) => {
      // The program takes a while to start: ask it only when somebody listens.
      await connects(settings.port);
      await temporal(settings.program, ['operator', 'cluster', 'health'], address, settings.env, signal);
    },
    stop: { signal: 'SIGTERM', graceMilliseconds: 10_000 },
  };
}

/** Registers the search attributes that are missing. Safe to repeat. */
export async function ensureSearchAttributes(
  program: string,
  address: string,
  namespace: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const scope = ['operator', 'search-attribute'];
  const listed = await temporal(program, [...scope, 'list', '--namespace', namespace], address, env);
  const missing = missingAttributes(listed);
  if (missing.length === 0) return;
  const named = missing.flatMap((name) => ['--name', name, '--type', searchAttributes[name]]);
  await temporal(program, [...scope, 'create', '--namespace', namespace, ...named], address, env);
}

/** Those of our search attributes that the output of `temporal operator search-attribute list` lacks. */
export function missingAttributes(listed: string): (keyof typeof searchAttributes)[] {
  const present = new Set(listed.split('\n').map((line) => line.trim().split(/\s+/)[0]));
  return (Object.keys(searchAttributes) as (keyof typeof searchAttributes)[]).filter(
    (name) => !present.has(name),
  );
}

function connects(port: number): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      done();
    });
    socket.on('error', fail);
  });
}

async function temporal(
  program: string,
  args: readonly string[],
  address: string,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal = AbortSignal.timeout(15_000),
): Promise<string> {
  const { stdout } = await run(program, [...args, '--address', address], { env: { ...env }, signal });
  return stdout;
}
