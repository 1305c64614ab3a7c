import { join } from 'node:path';
import { childEnvironment, serverEnvironment, workerMemory } from './environment.ts';
import { firstKey } from './keys.ts';
import { type Layout, layoutOf, prepareFolders, repository } from './layout.ts';
import { type Lock, lockHolder, tryLock } from './lock.ts';
import { ensureModel } from './model.ts';
import { endOrphans } from './orphans.ts';
import { describeStack, makePlan, type Plan } from './plan.ts';
import type { PortPolicy } from './ports.ts';
import { embeddedPostgres } from './postgres.ts';
import { type ProcessSpec, SupervisedProcess } from './processes.ts';
import { runToEnd } from './run.ts';
import { answers, embeddedS3 } from './s3.ts';
import { ensureBuckets, putSamples } from './samples.ts';
import { ensureSecrets } from './secrets.ts';
import { type Stack, writeStack } from './stackfile.ts';
import { embeddedTemporal, ensureSearchAttributes } from './temporal.ts';
import { SetupError, type Terminal } from './terminal.ts';
import { ensureProgram, temporalTool, versitygwTool } from './toolchain.ts';

export interface StackOptions {
  /** The folder of stack.json and data/. */
  readonly home: string;
  /** The folder of tools/ and models/, shared by all stacks of a clone. */
  readonly cache?: string;
  readonly ports: PortPolicy;
  /** `servers`: Postgres, S3 and Temporal alone; `all`: the API and the worker too. */
  readonly parts: 'servers' | 'all';
  readonly terminal: Terminal;
  readonly env?: NodeJS.ProcessEnv;
}

/** A stack that is up. */
export interface RunningStack {
  readonly stack: Stack;
  readonly layout: Layout;
  /** Whether the key in `stack` was made by this start: the moment to show it. */
  readonly isNewKey: boolean;
  /** The environment that the API and the worker run with. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Brings a stack up for a program that stops it itself, such as a test.
 * @throws SetupError; what had started is stopped again then.
 */
export async function startStack(
  options: StackOptions,
): Promise<RunningStack & { stop(hard?: boolean): Promise<void> }> {
  const supervisor = new Supervisor(options);
  try {
    return { ...(await supervisor.start()), stop: (hard) => supervisor.stop(hard) };
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
}

/**
 * Keeps a stack up: Postgres, S3 and Temporal side by side, then the tables, then API and worker. A process that dies is
 * started again.
 */
export class Supervisor {
  readonly #options: StackOptions;
  readonly #terminal: Terminal;
  readonly #layout: Layout;
  readonly #processes: SupervisedProcess[] = [];
  #lock: Lock | undefined;
  #stack: Stack | undefined;
  #id: string | undefined;
  #writing: Promise<void> = Promise.resolve();
  #ending: Promise<void> | undefined;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#terminal = options.terminal;
    this.#layout = layoutOf(options.home, options.cache);
  }

  /**
   * Resolves when all serve. Whatever happens, `stop` must be called in the end.
   * @throws SetupError whose message tells the person at the terminal what to do.
   */
  async start(): Promise<RunningStack> {
    const layout = this.#layout;
    await prepareFolders(layout);
    this.#lock = await tryLock(layout.data);
    if (!this.#lock) throw new SetupError(runningMessage(layout.home, await lockHolder(layout.data)));
    const secrets = await ensureSecrets(layout.secrets);
    this.#id = secrets.stack;
    const orphans = await endOrphans(secrets.stack);
    if (orphans.length > 0) {
      this.#terminal.say(`Ended ${orphans.length} processes that an earlier stack had left behind.`);
    }
    const plan = await makePlan(this.#options, layout, secrets);
    this.#stack = await describeStack(plan);
    await this.#startServers(plan);
    const environment = childEnvironment(this.#stack, plan);
    const isNewKey = this.#options.parts === 'all' && (await this.#startApplications(environment, plan));
    return { stack: this.#stack, layout, isNewKey, environment };
  }

  /** Stops what runs, in the reverse of the order of start; `hard` at any time makes it short. Safe to repeat. */
  async stop(hard = false): Promise<void> {
    this.#ending ??= this.#stopInOrder();
    if (hard) await Promise.all(this.#processes.map((one) => one.stop(true)));
    await this.#ending;
  }

  async #stopInOrder(): Promise<void> {
    for (const name of ['api', 'worker', 'temporal', 's3', 'postgres']) {
      await Promise.all(this.#processes.filter((one) => one.spec.name === name).map((one) => one.stop()));
    }
    // Programs that a worker had started, should it have been killed.
    if (this.#id) await endOrphans(this.#id);
    if (this.#stack) {
      this.#stack.pids = {};
      await this.#save();
    }
    await this.#lock?.release();
  }

  async #startServers(plan: Plan): Promise<void> {
    const { layout, secrets, ports, temporal, s3, env } = plan;
    const log = (name: string) => join(layout.logs, `${name}.log`);
    // One build after the other: each takes all cores.
    const versitygw =
      s3.kind === 'address' ? undefined : await ensureProgram(versitygwTool, s3, this.#terminal, env);
    const program =
      temporal.kind === 'address'
        ? undefined
        : await ensureProgram(temporalTool, temporal, this.#terminal, env);
    const starts: Promise<void>[] = [];
    if (!env.DATABASE_URL) {
      const settings = {
        folder: layout.postgres,
        port: ports.postgres,
        password: secrets.postgresPassword,
        logFile: log('postgres'),
        env: serverEnvironment(secrets.stack, 'postgres', env),
        say: (line: string) => this.#terminal.say(line),
      };
      starts.push(embeddedPostgres(settings).then((spec) => this.#run(spec)));
    }
    if (versitygw) {
      const spec = embeddedS3({
        program: versitygw,
        folder: layout.s3,
        port: ports.s3,
        accessKeyId: secrets.accessKeyId,
        secretAccessKey: secrets.secretAccessKey,
        logFile: log('s3'),
        env: serverEnvironment(secrets.stack, 's3', env),
      });
      starts.push(this.#run(spec));
    }
    if (program) {
      const serverEnv = serverEnvironment(secrets.stack, 'temporal', env);
      const spec = embeddedTemporal({
        program,
        file: join(layout.temporal, 'temporal.db'),
        port: ports.temporal,
        uiPort: ports.temporalUi,
        logFile: log('temporal'),
        cwd: layout.data,
        env: serverEnv,
      });
      const { address, namespace } = this.#running.temporal;
      starts.push(this.#run(spec).then(() => ensureSearchAttributes(program, address, namespace, serverEnv)));
    }
    await all(starts);
    await ensureBuckets(this.#running.s3);
  }

  /** Returns whether a key was made. */
  async #startApplications(environment: Readonly<Record<string, string>>, plan: Plan): Promise<boolean> {
    const { layout, secrets } = plan;
    const run = (script: string) => runToEnd(script, environment, join(layout.logs, 'migrate.log'));
    const model = ensureModel(layout.models, this.#terminal);
    const prepared = Promise.all([model, putSamples(this.#running.s3)]);
    await all([prepared, run('activities/records/migrate.ts')]);
    const before = this.#running.key;
    this.#running.key = await firstKey(this.#running.postgres, before);
    const authorization = { authorization: `Bearer ${this.#running.key}` };
    const node = process.execPath;
    const spec = (name: 'api' | 'worker', probe: ProcessSpec['probe']): ProcessSpec => ({
      name,
      command: node,
      args: [join(repository, 'apps', name, 'main.ts')],
      env: {
        ...(name === 'worker' && workerMemory),
        ...environment,
        ...serverEnvironment(secrets.stack, name, plan.env),
      },
      cwd: repository,
      logFile: join(layout.logs, `${name}.log`),
      probe,
      stop: { signal: 'SIGTERM', graceMilliseconds: 20_000 },
    });
    await all([
      this.#run(spec('api', (signal) => answers(`${this.#running.api}/status/ready`, signal, authorization))),
      // The worker opens this port when it polls its queues.
      this.#run(
        spec('worker', (signal) => answers(`http://127.0.0.1:${plan.ports.metrics}/metrics`, signal)),
      ),
    ]);
    return before !== this.#running.key;
  }

  get #running(): Stack {
    if (!this.#stack) throw new Error('the stack is described before anything of it starts');
    return this.#stack;
  }

  async #run(spec: ProcessSpec): Promise<void> {
    if (this.#ending) throw new SetupError('The stack was stopped while it started.');
    const supervised = new SupervisedProcess(spec, {
      changed: (name, pid) => this.#setPid(name as keyof Stack['pids'], pid),
      say: (line) => this.#terminal.say(line),
    });
    this.#processes.push(supervised);
    await supervised.start();
  }

  #setPid(name: keyof Stack['pids'], pid: number | undefined): void {
    if (pid === undefined) delete this.#running.pids[name];
    else this.#running.pids[name] = pid;
    void this.#save();
  }

  /** One write at a time; each writes what is true when its turn comes. */
  #save(): Promise<void> {
    this.#writing = this.#writing.then(() => writeStack(this.#layout.stackFile, this.#running));
    return this.#writing;
  }
}

/** Waits for all to settle before failing, so that nothing starts behind the back of the stop that follows. */
async function all(works: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

function runningMessage(home: string, holder: number | undefined): string {
  const who = holder ? ` (pid ${holder})` : '';
  return (
    `A stack already runs on ${home}${who}. Stop it with Ctrl-C where it runs, ` +
    'or give this one its own folder: DARKROOM_HOME=/some/folder npm start'
  );
}
