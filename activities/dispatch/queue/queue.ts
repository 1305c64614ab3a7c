/** What runs and waits as who asks sees it: counts of all, and where a job stands. */
import { type JobQueue, type JobState, type KindDefinition, pageSeconds } from '@darkroom/contract';
import {
  attemptsInHand,
  type JobRow,
  type JobWithStages,
  type OpenJobs,
  oldestJobs,
  openJobs,
  progressOf,
  turnOf,
} from '@darkroom/records';
import { v7 as uuid7 } from 'uuid';
import type { DispatchDeps } from '../index.ts';
import { aheadOf, type Line, type WaitingJob } from './turns.ts';

type Deps = Pick<DispatchDeps, 'records' | 'config' | 'kinds'>;

/** A job in the queue with where it stands. */
export interface StandingJob extends JobWithStages {
  readonly queue: JobQueue;
}

/** The jobs that compete for some workers. */
interface Competing {
  readonly lines: readonly Line[];
  /** Attempts that the workers have in hand: as many as they work on at once, when anybody waits. */
  readonly inHand: number;
}

/** All that is open at a moment. */
interface Moment {
  readonly open: readonly OpenJobs[];
  /** By what {@link workersOf} says. */
  readonly competing: ReadonlyMap<string, Competing>;
}

/** Running jobs whose time left is looked at; more are taken to have as much left each. */
const mostRunning = 200;
/** The queue is counted once in this time at most; where that takes long, once in so many times as long. */
const keptMs = 1000;
const keptTimes = 5;
const longestKeptMs = 10_000;
/** Of a kind whose work is not cut into pages: a turn is a whole job. */
const wholeJob = Number.POSITIVE_INFINITY;

/** Counts the open jobs once a second at most, however many ask. */
export class Queue {
  readonly #deps: Deps;
  #moment: Promise<Moment> | undefined;
  #until = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Where a job stands; undefined of one that is neither queued nor running. */
  async standing(job: JobRow): Promise<JobQueue | undefined> {
    if (!isOpen(job)) return undefined;
    if (job.state === 'running') return begun(job);
    const workers = this.#workersOf(job.kind);
    const kinds = this.#kindsOf(workers);
    const [moment, own] = await Promise.all([this.#now(), turnOf(this.#deps.records.db, job, kinds)]);
    return this.#place(job, { ...own, owner: job.owner, priority: job.priority }, moment);
  }

  /** Where a job of the kind would stand that was submitted now. */
  async next(kind: string, { owner, priority }: Pick<JobRow, 'owner' | 'priority'>): Promise<JobQueue> {
    const kinds = this.#kindsOf(this.#workersOf(kind));
    const job = { id: uuid7(), owner, priority };
    const [moment, own] = await Promise.all([this.#now(), turnOf(this.#deps.records.db, job, kinds)]);
    return this.#place({ kind, waiting: null }, { ...own, owner, priority }, moment);
  }

  /** All that is open, by kind, owner, priority and state, as of a second ago or so. */
  async counts(): Promise<readonly OpenJobs[]> {
    return (await this.#now()).open;
  }

  /** An owner's jobs that run and that wait, each where it stands: so many at most, the oldest of both. */
  async jobsOf(owner: string, limit: number): Promise<StandingJob[]> {
    const { db } = this.#deps.records;
    const running = await oldestJobs(db, { owner, state: 'running', limit });
    const [waiting, moment] = await Promise.all([
      oldestJobs(db, { owner, state: 'queued', limit: limit - running.length }),
      this.#now(),
    ]);
    const seen = new Map<string, { turn: number; oldest: string }>();
    const standing = waiting.map((found) => {
      const { id, kind, priority } = found.job;
      const line = `${priority} ${this.#workersOf(kind)}`;
      const before = seen.get(line);
      const own = { turn: (before?.turn ?? 0) + 1, oldest: before?.oldest ?? id };
      seen.set(line, own);
      return { ...found, queue: this.#place(found.job, { ...own, owner, priority }, moment) };
    });
    standing.sort((a, b) => a.queue.place - b.queue.place);
    return [...running.map((found) => ({ ...found, queue: begun(found.job) })), ...standing];
  }

  #place(job: Pick<JobRow, 'kind' | 'waiting'>, waiting: WaitingJob, { competing }: Moment): JobQueue {
    const workers = this.#workersOf(job.kind);
    const { lines, inHand } = competing.get(workers) ?? { lines: [], inHand: 0 };
    const ahead = aheadOf(waiting, lines, this.#longestTurn(workers));
    const startsMs = Date.now() + (ahead.seconds / Math.max(1, inHand)) * 1000;
    return {
      place: ahead.waiting + 1,
      ahead: { jobs: ahead.waiting + ahead.running, seconds: Number(ahead.seconds.toPrecision(3)) },
      // Nobody knows when what a job waits for comes back.
      estimatedStart: job.waiting === null ? new Date(startsMs).toISOString() : null,
    };
  }

  #now(): Promise<Moment> {
    if (this.#moment !== undefined && performance.now() < this.#until) return this.#moment;
    const began = performance.now();
    const moment = this.#count();
    this.#moment = moment;
    this.#until = Number.POSITIVE_INFINITY;
    moment.then(
      () => {
        const now = performance.now();
        this.#until = now + Math.min(longestKeptMs, Math.max(keptMs, (now - began) * keptTimes));
      },
      () => {
        this.#moment = undefined;
      },
    );
    return moment;
  }

  async #count(): Promise<Moment> {
    const { db } = this.#deps.records;
    const turns = Object.fromEntries(
      Object.values(this.#deps.kinds).map((kind) => [kind.kind, this.#turnOf(kind)]),
    );
    const [open, inHand, running] = await Promise.all([
      openJobs(db, turns),
      attemptsInHand(db),
      oldestJobs(db, { state: 'running', limit: mostRunning }),
    ]);
    const left = Map.groupBy(running, ({ job }) => lineOf(this.#workersOf(job.kind), job));
    const competing = new Map<string, Competing>();
    for (const [workers, of] of Map.groupBy(open, ({ kind }) => this.#workersOf(kind))) {
      const longest = this.#longestTurn(workers);
      const lines = [...Map.groupBy(of, (jobs) => lineOf(workers, jobs)).entries()].map(([name, jobs]) =>
        this.#line(jobs, left.get(name) ?? [], longest),
      );
      const kinds = new Set(of.map(({ kind }) => kind));
      competing.set(workers, { lines, inHand: sum([...kinds].map((kind) => inHand[kind] ?? 0)) });
    }
    return { open, competing };
  }

  /** The open jobs of an owner and priority; `known`: those of them that run and were looked at. */
  #line(open: readonly OpenJobs[], known: readonly JobWithStages[], longestTurn: number): Line {
    const { owner, priority } = open[0]!;
    const waiting = open.filter(({ state }) => state === 'queued');
    const running = open.filter(({ state }) => state === 'running');
    const count = (of: readonly OpenJobs[]): number => sum(of.map(({ jobs }) => jobs));
    // What is not estimated is taken for a turn.
    const turn = (of: readonly OpenJobs[]): number =>
      sum(of.map(({ unestimated }) => unestimated)) * Math.min(pageSeconds, longestTurn);
    const left = known.map(
      ({ job, stages }) => progressOf(stages, job).etaSeconds ?? job.estimate?.seconds.p50 ?? pageSeconds,
    );
    return {
      owner,
      priority,
      waiting: count(waiting),
      waitingSeconds: sum(waiting.map(({ seconds }) => seconds)) + turn(waiting),
      turnSeconds: sum(waiting.map(({ turnSeconds }) => turnSeconds)) + turn(waiting),
      oldest: waiting.map(({ oldest }) => oldest).sort()[0] ?? null,
      running: count(running),
      runningSeconds:
        left.length > 0
          ? (sum(left) / left.length) * count(running)
          : sum(running.map(({ seconds }) => seconds)) + turn(running),
    };
  }

  /** Whose workers a kind's jobs wait for; a kind that names none has its own. */
  #workersOf(kind: string): string {
    const queue = this.#deps.kinds[kind]?.queue;
    return queue === undefined ? `of ${kind}` : `at ${queue}`;
  }

  #kindsOf(workers: string): string[] {
    return Object.keys(this.#deps.kinds).filter((kind) => this.#workersOf(kind) === workers);
  }

  /** Seconds that a turn of a kind's job takes at most, while others wait. */
  #turnOf({ longest, queue }: Pick<KindDefinition, 'longest' | 'queue'>): number {
    if (longest !== undefined) return wholeJob;
    return (queue === undefined ? undefined : this.#deps.config.worker.pageSeconds[queue]) ?? pageSeconds;
  }

  #longestTurn(workers: string): number {
    return Math.max(
      pageSeconds,
      ...this.#kindsOf(workers).map((kind) => this.#turnOf(this.#deps.kinds[kind]!)),
    );
  }
}

const isOpen = ({ state }: Pick<JobRow, 'state'>): boolean =>
  (['queued', 'running'] satisfies JobState[] as string[]).includes(state);

/** Where a job stands that has begun. */
const begun = ({ startedAt }: Pick<JobRow, 'startedAt'>): JobQueue => ({
  place: 0,
  ahead: { jobs: 0, seconds: 0 },
  estimatedStart: startedAt?.toISOString() ?? null,
});

const lineOf = (workers: string, { owner, priority }: Pick<OpenJobs, 'owner' | 'priority'>): string =>
  `${priority} ${workers} ${owner}`;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
