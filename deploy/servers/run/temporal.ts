import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { SetupError } from '../setup-error.mjs';
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
  /** Made beside `default`, which is always there. */
  readonly namespace?: string | undefined;
  /** Settings of SQLite; those of `writeAhead` unless told. */
  readonly pragmas?: readonly string[];
}

export type Synchronous = 'full' | 'normal';

/**
 * SQLite with a write-ahead log. With `full` a commit is on the disk before it is acknowledged, which Postgres holds too: after a
 * power cut neither is behind the other. With `normal` the last commits may be gone after a power cut (not after a kill), and
 * Temporal would count attempts again that Postgres knows as done, whose writes the fence then refuses. `full` costs about 0.3 ms
 * a commit where the rollback journal, which is SQLite's default, costs 2.
 */
export function writeAhead(synchronous: Synchronous = 'full'): readonly string[] {
  return ['journal_mode=wal', `synchronous=${synchronous}`];
}

/** The choice of a person who can do without the last second after a power cut. @throws SetupError when it is none. */
export function readSynchronous(env: NodeJS.ProcessEnv): Synchronous {
  const text = env.DARKROOM_TEMPORAL_SYNCHRONOUS || 'full';
  if (text === 'full' || text === 'normal') return text;
  throw new SetupError(`DARKROOM_TEMPORAL_SYNCHRONOUS is full or normal, not "${text}".`);
}

/**
 * The server takes priority and fairness seriously only with the first ones; one partition makes the order exact. By the last one it ends the
 * polls of a worker that stops: without it the worker hangs up on them, and what the server has just sent is lost until its heartbeat is missed.
 */
const dynamicConfig = [
  'matching.useNewMatcher=true',
  'matching.enableFairness=true',
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
  'frontend.enableCancelWorkerPollsOnShutdown=true',
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
      ...(settings.namespace ? ['--namespace', settings.namespace] : []),
      ...(settings.pragmas ?? writeAhead()).flatMap((pragma) => ['--sqlite-pragma', pragma]),
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
  // A profile of the user's, with the API key of another server, would have it ask for TLS.
  const how = ['--address', address, '--disable-config-file'];
  const { stdout } = await run(program, [...args, ...how], { env: { ...env }, signal });
  return stdout;
}
