/** A lane as its parent holds it: opened, given tasks, watched, ended. */
import { ProblemError } from '@darkroom/contract/problems/problem.ts';
import { type SandboxReport, sandboxLacks } from '@darkroom/contract/sandbox.ts';
import { LaneEnded, LaneLate, LaneStalled } from '../errors.ts';
import { SandboxLacking } from '../sandbox/report.ts';
import type { LaneBuild, LaneShape, Setup, TaskName, Told } from '../shape.ts';
import { unlessAborted } from '../waiting.ts';
import { frameMessage, MessageParser, type ToChild } from '../wire.ts';
import { Child, untilBroken } from './child.ts';
import { compileCode, forgetUser } from './code.ts';
import { failureOf, type LaneAnswer, type LaneItem, type RangeSource, Run, type RunOptions } from './run.ts';
import { type ToParent, toParent } from './said.ts';
import { Watch } from './watch.ts';

/** A warm child process. Whoever opened it keeps it, and closes it; idle, it does not keep this process from ending. */
export interface Lane<S extends LaneShape> {
  readonly pid: number;
  /** What the child said as it opened. */
  readonly told: Told<S>;
  /** What it is held by. */
  readonly sandbox: SandboxReport;
  /** Why it is no more; undefined while it lives. */
  readonly ended: unknown;
  /** Settles when its process is no more. */
  readonly gone: Promise<void>;
  /** Items it has in hand. */
  readonly busy: number;
  /**
   * Hands the child a list of items at once and gives what it says of them, in its order; waits with the child where nobody takes it.
   * Several lists may be under way. Whoever stops taking before all is answered ends the lane. Throws LaneEnded (LaneDied, LaneStalled)
   * when the lane ends and nothing says which item was the cause; ProblemError `memory_limit` or `item_timeout` where it can only be this one;
   * what a source throws; the signal's reason.
   */
  run<K extends TaskName<S>>(
    task: K,
    items: readonly LaneItem<S['tasks'][K]>[],
    options?: RunOptions<S['tasks'][K]>,
  ): AsyncGenerator<LaneAnswer<S['tasks'][K]>, void, undefined>;
  /** `run` for one item without events: its result. Throws what it failed by as well. */
  ask<K extends TaskName<S>>(
    task: K,
    item: LaneItem<S['tasks'][K]>,
    options?: RunOptions<S['tasks'][K]>,
  ): Promise<Extract<LaneAnswer<S['tasks'][K]>, { type: 'result' }>>;
  /** Ends the child; what it has in hand ends with LaneEnded. Settles when it is gone. */
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Until the lane is open; afterwards each run has its own. */
  readonly signal?: AbortSignal;
  readonly onStart?: (pid: number) => void;
  /** Milliseconds of a clock that never goes back, by which the lane is watched; by default the system's. */
  readonly now?: () => number;
}

/**
 * Starts a child of `build` and opens it with `setup`. Throws ProblemError with the child's code when it cannot be opened, LaneDied,
 * LaneLate when it takes too long, LaneEnded where no process can be started, the signal's reason.
 */
export async function openLane<S extends LaneShape>(
  build: LaneBuild<S>,
  setup: Setup<S>,
  { signal, onStart, now = () => performance.now() }: OpenOptions = {},
): Promise<Lane<S>> {
  signal?.throwIfAborted();
  const opening = build.shape.setup.parse(setup);
  const child = await Child.start(build);
  onStart?.(child.pid);
  const lane = new OpenLane(build, child, now);
  const abort = () => lane.end(signal?.reason);
  const seconds = build.startSeconds ?? START_SECONDS;
  const late = setTimeout(() => lane.end(new LaneLate(build.name, seconds)), seconds * 1000);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (signal?.aborted) abort();
    await lane.open(opening);
    void compileCode(build);
    return lane;
  } catch (error) {
    await lane.close();
    throw error;
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', abort);
  }
}

const START_SECONDS = 60;
const MOST_READ = 64 << 20;
const MESSAGE_BYTES = 256 << 20;

class OpenLane<S extends LaneShape> implements Lane<S> {
  readonly #build: LaneBuild<S>;
  readonly #child: Child;
  readonly #runs = new Map<number, Run<S['tasks'][string]>>();
  readonly #watch: Watch;
  readonly #ending = new AbortController();
  /** Aborted when the child is no more: what it asked for is nobody's then, and what it still said is heard. */
  readonly #gone = new AbortController();
  #opened: { readonly told: Told<S>; readonly sandbox: SandboxReport } | undefined;
  #opening: { resolve(): void; reject(error: unknown): void } | undefined;
  #lastRun = 0;

  constructor(build: LaneBuild<S>, child: Child, now: () => number) {
    this.#build = build;
    this.#child = child;
    const { stallSeconds, memoryBytes } = build;
    this.#watch = new Watch({
      pid: child.pid,
      stallSeconds,
      memoryBytes,
      stalled: () => this.end(new LaneStalled(build.name, stallSeconds)),
      tookMemory: (bytes) => this.end(memoryLimit(bytes, memoryBytes), [...this.#runs.values()]),
      now,
      looked: (time) => {
        for (const run of this.#runs.values()) {
          const problem = run.overdue(time);
          if (problem !== undefined) this.end(problem, [run]);
        }
      },
    });
    void child.gone.then(() => {
      this.#gone.abort();
      return forgetUser(build, child.pid);
    });
    void this.#listen().catch((error) => this.end(error));
  }

  get pid(): number {
    return this.#child.pid;
  }

  get told(): Told<S> {
    return this.#open.told;
  }

  get sandbox(): SandboxReport {
    return this.#open.sandbox;
  }

  get #open() {
    if (this.#opened === undefined) throw new Error('The lane is not open yet.');
    return this.#opened;
  }

  get ended(): unknown {
    return this.#ending.signal.reason;
  }

  get gone(): Promise<void> {
    return this.#child.gone;
  }

  get busy(): number {
    return this.#runs.values().reduce((sum, { left }) => sum + left, 0);
  }

  async open(setup: unknown): Promise<void> {
    this.#ending.signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      this.#opening = { resolve, reject };
      this.#send({ type: 'open', setup });
    });
    this.#rest();
  }

  async *run<K extends TaskName<S>>(
    name: K,
    items: readonly LaneItem<S['tasks'][K]>[],
    options: RunOptions<S['tasks'][K]> = {},
  ): AsyncGenerator<LaneAnswer<S['tasks'][K]>, void, undefined> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.ended !== undefined) throw endedBeside(this.#build.name, this.ended);
    const task = this.#taskOf(name);
    const sent = items.map(({ params, bodies = [] }) => ({
      params: task.params.parse(params),
      bodies: bodies.length,
    }));
    const run = new Run(task, items, options, this.#watch.worked);
    const number = ++this.#lastRun;
    this.#runs.set(number, run);
    this.#watch.begin();
    this.#child.hold(true);
    const abort = () => this.end(signal?.reason, [run]);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#send(
        { type: 'run', run: number, task: name, items: sent },
        items.flatMap(({ bodies = [] }) => bodies),
      );
      yield* run.answers.take();
    } finally {
      signal?.removeEventListener('abort', abort);
      if (run.left > 0)
        this.end(new LaneEnded(`The ${this.#build.name} process was ended with a task that nobody wants.`));
      this.#runs.delete(number);
      run.answers.close();
      if (this.ended !== undefined) await this.#child.gone;
      else if (this.#runs.size === 0) this.#rest();
    }
  }

  async ask<K extends TaskName<S>>(
    name: K,
    item: LaneItem<S['tasks'][K]>,
    options: RunOptions<S['tasks'][K]> = {},
  ): Promise<Extract<LaneAnswer<S['tasks'][K]>, { type: 'result' }>> {
    for await (const answer of this.run(name, [item], options)) {
      if (answer.type === 'failed') throw answer.error;
      if (answer.type === 'result') return answer;
    }
    throw new Error('A list ends with an answer to each of its items.');
  }

  async close(): Promise<void> {
    this.end(new LaneEnded(`The ${this.#build.name} process was closed.`));
    await this.#child.gone;
  }

  /** Ends the child. Where `suspects` is but one item, that one is told `error` itself; all others may be done again. */
  end(error: unknown, suspects: readonly Run<S['tasks'][string]>[] = []): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(error);
    this.#watch.end();
    this.#opening?.reject(error);
    const known = !(error instanceof ProblemError) || suspects.reduce((sum, { left }) => sum + left, 0) === 1;
    for (const run of this.#runs.values())
      run.answers.failNow(known && suspects.includes(run) ? error : endedBeside(this.#build.name, error));
    this.#child.kill();
  }

  #taskOf<K extends TaskName<S>>(name: K): S['tasks'][K] {
    const tasks: S['tasks'] = this.#build.shape.tasks;
    return tasks[name];
  }

  #rest(): void {
    this.#watch.end();
    this.#child.hold(false);
  }

  #send(head: ToChild, bodies: readonly Uint8Array[] = []): void {
    this.#child.tasks.cork();
    for (const bytes of frameMessage(head, bodies)) this.#child.tasks.write(bytes);
    this.#child.tasks.uncork();
  }

  /** Takes what the child says until it says no more. */
  async #listen(): Promise<void> {
    const parser = new MessageParser(this.#build.messageBytes ?? MESSAGE_BYTES);
    for await (const chunk of untilBroken(this.#child.talk))
      for (const { head, bodies } of parser.push(chunk)) {
        this.#watch.alive();
        await this.#hear(toParent.parse(head), bodies);
      }
    if (this.ended === undefined) this.end(await this.#child.death());
  }

  async #hear(said: ToParent, bodies: readonly Uint8Array[]): Promise<void> {
    if (said.type === 'open') {
      const { sandbox } = said;
      if (this.#build.sandbox === 'required' && sandboxLacks(sandbox).length > 0)
        throw new SandboxLacking(sandbox);
      this.#opened = { told: this.#build.shape.told.parse(said.told) as Told<S>, sandbox };
      this.#opening?.resolve();
      return;
    }
    if (said.type === 'unopened') throw failureOf(said);
    const run = this.#runs.get(said.run);
    if (run === undefined) throw new Error(`There is no run ${said.run}.`);
    if (said.type === 'stage') void this.#enter(run, said).catch((error) => this.end(error));
    else if (said.type === 'read') {
      const { source } = run.items[said.item] ?? {};
      const bytes = await this.#watch
        .pausedFor(unlessAborted(this.#read(source, said), this.#gone.signal))
        .catch((error) => {
          if (!this.#gone.signal.aborted) this.end(error, [run]);
        });
      if (bytes === undefined) return;
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      this.#child.talk.write(length);
      if (bytes.length > 0) this.#child.talk.write(bytes);
    } else await this.#watch.pausedFor(run.take(said, bodies));
  }

  async #enter(run: Run<S['tasks'][string]>, said: Extract<ToParent, { type: 'stage' }>): Promise<void> {
    const on = await this.#watch.pausedFor(run.enter(said, this.pid));
    if (this.ended === undefined) this.#send({ type: 'go', run: said.run, item: said.item, on });
  }

  #read(
    source: RangeSource | undefined,
    { offset, length }: Extract<ToParent, { type: 'read' }>,
  ): Promise<Uint8Array> {
    if (source === undefined || length > MOST_READ) throw new Error('There are no such bytes to read.');
    return source.read(offset, length, this.#ending.signal);
  }
}

function memoryLimit(bytes: number, most: number): ProblemError {
  return new ProblemError(
    'memory_limit',
    `It took ${Math.round(bytes / 1e6)} MB; at most ${Math.round(most / 1e6)} MB are given to it here.`,
  );
}

/** What is told of the end to a task that is not its cause. */
function endedBeside(name: string, cause: unknown): LaneEnded {
  if (cause instanceof LaneEnded) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LaneEnded(`The ${name} process was ended, with all it had in hand: ${why}`, { cause });
}
