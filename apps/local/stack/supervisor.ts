import { corsOrigins } from '@darkroom/platform';
import { ensureDefaultModel } from '@darkroom/recognition/converter/setup.ts';
import { type Lock, lockHolder, tryLock } from '@darkroom/servers/lock.mjs';
import { temporalTool, versitygwTool } from '@darkroom/servers/obtain/pins.mjs';
import { ensureProgram } from '@darkroom/servers/obtain/toolchain.mjs';
import type { PortPolicy } from '@darkroom/servers/run/ports.ts';
import { type ProcessSpec, SupervisedProcess } from '@darkroom/servers/run/processes.ts';
import { answers } from '@darkroom/servers/run/s3.ts';
import { ensureSearchAttributes } from '@darkroom/servers/run/temporal.ts';
import {
  chooseDatabase,
  serverVersion,
  type TemporalDatabase,
} from '@darkroom/servers/run/temporal-database.ts';
import { type Layout, layoutOf, prepareFolders } from '../home/layout.ts';
import { endOrphans } from '../home/orphans.ts';
import { ensureSecrets } from '../home/secrets.ts';
import { type Stack, writeStack } from '../home/stackfile.ts';
import { SetupError, type Terminal } from '../terminal.ts';
import { Timings } from '../timings.ts';
import { check } from './check.ts';
import { getClassifier } from './classifier.ts';
import { childEnvironment } from './environment.ts';
import { ownKey, tellLostRuns, whyNoModel } from './own-rows.ts';
import { describeStack, makePlan, type Plan } from './plan.ts';
import { runToEnd } from './run.ts';
import { ensureBuckets, putSamples } from './samples.ts';
import { makeSkySamples, putSkySamples } from './sky.ts';
import { applicationSpec, logOf, postgresSpec, s3Spec, temporalSpec } from './specs.ts';

export interface StackOptions {
  /** The folder of stack.json and data/. */
  readonly home: string;
  /** The folder of tools/ and models/, shared by all stacks of a clone. */
  readonly cache?: string;
  readonly ports: PortPolicy;
  /** `servers`: Postgres, S3 and Temporal alone; `all`: the API and the worker too. */
  readonly parts: 'servers' | 'all';
  readonly terminal: Terminal;
  /** Where it is noted which step took how long. */
  readonly timings?: Timings;
  readonly env?: NodeJS.ProcessEnv;
  /** Make tables and a first key, buckets and samples, also in a database and a store that are not the stack's own. */
  readonly prepare?: boolean;
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
 * Keeps a stack up: Postgres with its tables, S3, Temporal and the model side by side, then API and worker. A process that
 * dies is started again.
 */
export class Supervisor {
  readonly #options: StackOptions;
  readonly #terminal: Terminal;
  readonly #layout: Layout;
  readonly #processes: SupervisedProcess[] = [];
  readonly #timings: Timings;
  #database: TemporalDatabase | undefined;
  #lock: Lock | undefined;
  #stack: Stack | undefined;
  #id: string | undefined;
  #writing: Promise<void> = Promise.resolve();
  #outOfDate = false;
  #ending: Promise<void> | undefined;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#terminal = options.terminal;
    this.#timings = options.timings ?? new Timings();
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
    const environment = childEnvironment(this.#stack, plan);
    // What is wrong with the environment is told before anything runs.
    if (this.#options.parts === 'all')
      await check(plan, this.#stack, environment, this.#options.prepare === true);
    await this.#startServers(plan, environment);
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

  /** Whether the tables and the first key are the stack's to make. */
  #prepares({ env }: Plan): boolean {
    return !env.DATABASE_URL || this.#options.prepare === true;
  }

  /** Whether the buckets are the stack's to fill. */
  #fills({ s3 }: Plan): boolean {
    return s3.kind !== 'address' || this.#options.prepare === true;
  }

  /** Makes the sky surveys of samples while the servers start, and indexes them once they have. */
  async #fillSky({ cache, home }: Layout, servers: readonly Promise<unknown>[]): Promise<void> {
    const made = await this.#timings.measure('sky samples', () => makeSkySamples(cache));
    // What fails there is told there.
    if ((await Promise.allSettled(servers)).some(({ status }) => status === 'rejected')) return;
    await this.#timings.measure('sky surveys', () => putSkySamples(made, this.#running, home));
  }

  /** Each server with what needs it alone, side by side: a program that is still to be had holds up no other. */
  async #startServers(plan: Plan, environment: Readonly<Record<string, string>>): Promise<void> {
    const { layout } = plan;
    const isWhole = this.#options.parts === 'all';
    const timed = (name: string, work: () => Promise<unknown>) => this.#timings.measure(name, work);
    const tables = timed('Postgres', () => this.#startPostgres(plan)).then(() =>
      isWhole ? timed('tables', () => this.#makeTables(plan, environment)) : undefined,
    );
    const buckets = this.#startS3(plan);
    await all([
      tables,
      buckets,
      this.#startTemporal(plan),
      ...(isWhole && this.#prepares(plan) && this.#fills(plan)
        ? [this.#fillSky(layout, [tables, buckets])]
        : []),
      ...(isWhole
        ? [
            timed('model', () => ensureDefaultModel(layout.models, (line) => this.#terminal.say(line))),
            timed('classifier', () => getClassifier(layout.models, plan.env, this.#terminal)),
          ]
        : []),
    ]);
    // Before the API's first sweep, which would take so many absent runs for a wrong address.
    if (isWhole && this.#database) await tellLostRuns(this.#database, this.#running.postgres);
  }

  async #startPostgres(plan: Plan): Promise<void> {
    if (plan.env.DATABASE_URL) return;
    await this.#run(await postgresSpec(plan, (line) => this.#terminal.say(line)));
  }

  async #makeTables(plan: Plan, environment: Readonly<Record<string, string>>): Promise<void> {
    if (!this.#prepares(plan)) return;
    await runToEnd('activities/records/migrate.ts', environment, logOf(plan.layout, 'migrate'));
  }

  async #startS3(plan: Plan): Promise<void> {
    const { s3, env } = plan;
    let origins: readonly string[] | undefined;
    if (s3.kind !== 'address') {
      const program = await this.#timings.measure('versitygw, the program', () =>
        ensureProgram(versitygwTool, s3, this.#terminal, env),
      );
      await this.#timings.measure('S3', () => this.#run(s3Spec(plan, program)));
      origins = corsOrigins(env.CORS_ORIGINS);
    } else if (!this.#fills(plan)) return;
    await this.#timings.measure('buckets and samples', async () => {
      await ensureBuckets(this.#running.s3, origins);
      if (this.#options.parts === 'all') await putSamples(this.#running.s3);
    });
  }

  async #startTemporal(plan: Plan): Promise<void> {
    const { layout, temporal, env } = plan;
    if (temporal.kind === 'address') return;
    const program = await this.#timings.measure('Temporal, the program', () =>
      ensureProgram(temporalTool, temporal, this.#terminal, env),
    );
    const version = await serverVersion(program);
    this.#database = await chooseDatabase(layout.temporal, version);
    const { file, replaced } = this.#database;
    if (replaced) this.#terminal.say(replacedMessage(version, replaced));
    const spec = temporalSpec(plan, program, file);
    const { address, namespace } = this.#running.temporal;
    await this.#timings.measure('Temporal', async () => {
      await this.#run(spec);
      await ensureSearchAttributes(program, address, namespace, spec.env);
    });
  }

  /** Returns whether a key was made. */
  async #startApplications(environment: Readonly<Record<string, string>>, plan: Plan): Promise<boolean> {
    const before = this.#running.key;
    const key = await ownKey(this.#running.postgres, before, this.#prepares(plan));
    if (key === undefined) delete this.#running.key;
    else this.#running.key = key;
    // Without a key the API tells no more than that it is up.
    const readiness: ProcessSpec['probe'] = (signal) =>
      key === undefined
        ? answers(`${this.#running.api}/status/health`, signal)
        : answers(`${this.#running.api}/status/ready`, signal, { authorization: `Bearer ${key}` });
    const spec = (name: 'api' | 'worker', probe: ProcessSpec['probe']) =>
      applicationSpec(plan, name, environment, probe);
    const run = (name: string, one: ProcessSpec) => this.#timings.measure(name, () => this.#run(one));
    await all([
      run('API', spec('api', readiness)),
      // The worker opens this port when it polls its queues.
      run(
        'worker',
        spec('worker', (signal) => answers(`http://127.0.0.1:${plan.ports.metrics}/metrics`, signal)),
      ),
    ]);
    const missing = await whyNoModel(this.#running.postgres, this.#running.pids.worker);
    if (missing !== undefined) this.#terminal.say(`Recognition has no model, and its tasks wait: ${missing}`);
    return key !== undefined && before !== key;
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

  /**
   * One write at a time; each writes what is true when its turn comes. What cannot be written (a full disk) must not end the stack;
   * it is said once, until it can be again.
   */
  #save(): Promise<void> {
    const { stackFile } = this.#layout;
    this.#writing = this.#writing
      .then(() => writeStack(stackFile, this.#running))
      .then(
        () => {
          this.#outOfDate = false;
        },
        (error: unknown) => {
          const why = error instanceof Error ? error.message : String(error);
          if (!this.#outOfDate)
            this.#terminal.say(`${stackFile} cannot be written and is out of date: ${why}`);
          this.#outOfDate = true;
        },
      );
    return this.#writing;
  }
}

/** Waits for all to settle before failing, so that nothing starts behind the back of the stop that follows. */
async function all(works: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

function replacedMessage(version: string, folder: string): string {
  return (
    `Temporal's server is ${version} now and cannot read the database of another version: it starts with a new one, and jobs ` +
    `that were running are queued again. The earlier database is kept in ${folder}.`
  );
}

function runningMessage(home: string, holder: number | undefined): string {
  const who = holder ? ` (pid ${holder})` : '';
  const otherwise = holder ? `, with "kill ${holder}" where that terminal is gone,` : '';
  return (
    `A stack already runs on ${home}${who}. Stop it with Ctrl-C where it runs${otherwise || ','} ` +
    'or give this one its own folder: DARKROOM_HOME=/some/folder npm start'
  );
}
