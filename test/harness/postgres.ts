import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@darkroom/servers/run/ports.ts';
import { embeddedPostgres, postgresUrl } from '@darkroom/servers/run/postgres.ts';
import pg from 'pg';
import { migrated, passingFolder, putDatabase } from './postgres-files.ts';

/** A running Postgres of its own. */
export interface TestPostgres {
  readonly url: string;
  /** Of the postmaster; another one after `restart`. */
  readonly pid: number;
  /** SIGKILL to the postmaster: resolves when its sessions have ended too. Recovery waits for the next start. */
  kill(): Promise<void>;
  /** Starts it again on the same files and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Nothing a test writes has to survive the machine. */
const careless = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];

/** Starts the embedded Postgres on a free port, over a folder that `stop` removes. */
export async function startPostgres(): Promise<TestPostgres> {
  const home = await passingFolder();
  await chmod(home, 0o755); // as root, the server is another user
  const folder = join(home, 'data');
  const [port, password] = await Promise.all([freePort(), putDatabase(folder)]);
  const logFile = join(home, 'log');
  const spec = await embeddedPostgres({
    folder,
    port,
    password,
    logFile,
    env: { PATH: process.env.PATH ?? '' },
    say: () => {},
  });
  const args = [...spec.args, ...careless.flatMap((setting) => ['-c', setting])];
  const identity = spec.uid === undefined ? {} : { uid: spec.uid, gid: spec.gid ?? spec.uid };
  let child: ChildProcess;
  const said: string[] = [];
  const reap = () => child.kill('SIGKILL');

  /** Whether it serves; false when it ended instead. */
  async function start(): Promise<boolean> {
    child = spawn(spec.command, args, {
      cwd: spec.cwd,
      env: { ...spec.env },
      stdio: ['ignore', 'ignore', 'pipe'],
      ...identity,
    });
    child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    for (let tries = 0; child.exitCode === null && tries < 300; tries++) {
      const answers = await spec.probe(AbortSignal.timeout(3000)).then(
        () => true,
        () => false,
      );
      if (answers) return true;
      await sleep(50);
    }
    return false;
  }

  async function startOrSay(): Promise<void> {
    // After a SIGKILL the sessions of the old server hold its memory for a moment, and a new one ends at once.
    for (let tries = 0; tries < 20; tries++) {
      if (await start()) return;
      await sleep(200);
    }
    throw new Error(`Postgres did not start:\n${said.join('').slice(-2000)}`);
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  process.once('exit', reap); // a test run that dies takes its server along
  await startOrSay();
  return {
    url: postgresUrl(port, password),
    get pid() {
      return child.pid ?? 0;
    },
    async kill() {
      const sessions = childrenOf(child.pid);
      await end('SIGKILL');
      // Each ends when it notices, and answers until then.
      while (sessions.some(isRunning)) await sleep(10);
    },
    restart: startOrSay,
    async stop() {
      await end('SIGQUIT');
      process.off('exit', reap);
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Ids of a process' children where the system tells them. */
function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether the process runs; one that has ended may stay listed until its parent, who is another one by now, asks for it. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** A new database on that server with the schema in it; its address. */
export async function freshDatabase(url: string): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`create database ${name} template ${migrated}`);
  } finally {
    await client.end();
  }
  const fresh = new URL(url);
  fresh.pathname = `/${name}`;
  return fresh.href;
}
