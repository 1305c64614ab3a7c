/** A job's rows as the document that the API shows. Pure. */
import {
  hasEnded,
  hasSucceeded,
  type Job,
  type JobEstimate,
  type JobQueue,
  type JobState,
  type Progress,
  type StageState,
} from '@darkroom/contract';
import type { JobRow, StageOfJob } from '../rows.ts';
import { remainingSeconds } from './remaining.ts';
import { sizeTogether } from './size.ts';

/** What {@link progressOf} needs to know of a stage. */
export type StageFacts = Pick<
  StageOfJob,
  | 'name'
  | 'state'
  | 'done'
  | 'failed'
  | 'total'
  | 'resumedFrom'
  | 'unit'
  | 'weight'
  | 'startedAt'
  | 'finishedAt'
  | 'queueMs'
  | 'workMs'
  | 'attempts'
  | 'aliveAt'
  | 'movedAt'
>;

/** What it needs to know of the job; what a job has been told without, its time left goes by the rate of the run alone. */
export type JobFacts = Pick<JobRow, 'state'> & Partial<Pick<JobRow, 'run' | 'estimate' | 'startedAt'>>;

/** Percent of a job that has not succeeded, at most. */
const almost = 99.9;

/**
 * Progress of a job: percent is the weighted mean of its stages' shares done, to a tenth and rounded down. It never
 * falls while counts rise, is null while no total is known, and 100 only for a job that has succeeded.
 * `etaSeconds` goes by what the job was estimated at and, the more it has done, by the rate of this run.
 */
export function progressOf(stages: readonly StageFacts[], job: JobFacts, now: Date = new Date()): Progress {
  const state = job.state as JobState;
  const atWork = stages.filter((stage) => stage.state === 'running');
  return {
    stage: hasEnded(state) ? null : (atWork.at(-1)?.name ?? null),
    stages: stages.map(stageProgress),
    percent: percentOf(stages, state),
    etaSeconds: state === 'running' ? etaOf(stages, job, now) : null,
  };
}

function stageProgress(stage: StageFacts): Progress['stages'][number] {
  return {
    name: stage.name,
    state: stage.state as StageState,
    done: stage.done,
    failed: stage.failed,
    total: stage.total,
    unit: stage.unit,
    startedAt: iso(stage.startedAt),
    finishedAt: iso(stage.finishedAt),
    queueSeconds: stage.queueMs / 1000,
    workSeconds: stage.workMs / 1000,
    attempts: stage.attempts,
    aliveAt: iso(stage.aliveAt),
    movedAt: iso(stage.movedAt),
  };
}

function percentOf(stages: readonly StageFacts[], state: JobState): number | null {
  if (hasSucceeded(state)) return 100;
  if (stages.every(({ total }) => total === null)) return null;
  const weight = sum(stages.map((stage) => stage.weight));
  if (weight <= 0) return null;
  const share = sum(stages.map((stage) => stage.weight * shareOf(stage))) / weight;
  return Math.min(almost, Math.floor(share * 1000) / 10);
}

/** Share of a stage that is done, 0 to 1; a count over its total is no more than all. */
function shareOf({ state, done, total }: StageFacts): number {
  if (state === 'succeeded' || total === 0) return 1;
  return total === null ? 0 : Math.min(1, Math.max(0, done / total));
}

/** What is left of a run by the weights of its stages, and what it was estimated at, as time; to a second, and at least one. */
function etaOf(stages: readonly StageFacts[], job: JobFacts, now: Date): number | null {
  const through = sum(
    stages
      .filter(({ state, total }) => total !== null && (state === 'running' || state === 'succeeded'))
      .map((s) => (s.weight * Math.max(0, s.done - s.resumedFrom)) / Math.max(1, s.total ?? 1)),
  );
  const left = sum(stages.map((stage) => stage.weight * (1 - shareOf(stage))));
  const whole = sum(stages.map(({ weight }) => weight));
  const begun = beginOf(stages, job);
  const seconds = remainingSeconds({
    elapsed: begun === undefined ? 0 : Math.max(0, (now.getTime() - begun) / 1000),
    done: through > 0 ? through / (through + left) : 0,
    // A run that goes on with what an earlier one has done was estimated at its part of the whole.
    prior: job.estimate
      ? partOf(job.estimate.seconds, whole > 0 ? Math.min(1, (through + left) / whole) : 1)
      : undefined,
  });
  return seconds === null ? null : Math.max(1, Math.round(seconds));
}

/** When the run began to work; a resumed one with the stages that have done something since. */
function beginOf(stages: readonly StageFacts[], { run, startedAt }: JobFacts): number | undefined {
  if (run === 1 && startedAt) return startedAt.getTime();
  const ofRun = stages.filter(
    ({ state, done, resumedFrom }) => state === 'running' || (state === 'succeeded' && done > resumedFrom),
  );
  const starts = ofRun.flatMap((stage) => stage.startedAt?.getTime() ?? []);
  return starts.length === 0 ? undefined : Math.min(...starts);
}

const partOf = ({ p50, p90 }: JobEstimate['seconds'], share: number): JobEstimate['seconds'] => ({
  p50: p50 * share,
  p90: p90 * share,
});

/**
 * How far off the estimate of a job was that has ended well; undefined of others, and of resumed ones, which had done a part before. It worked
 * from its start to its end, and no longer than its attempts together: what waited for workers does not count.
 */
function estimateErrorOf(job: JobRow, stages: readonly StageFacts[]): Job['estimateError'] {
  const { state, run, estimate, startedAt, finishedAt } = job;
  if (!hasSucceeded(state as JobState) || run !== 1 || !estimate || !startedAt || !finishedAt)
    return undefined;
  const worked = sum(stages.map(({ workMs }) => workMs)) / 1000;
  const seconds = Math.max(0, Math.min(worked, (finishedAt.getTime() - startedAt.getTime()) / 1000));
  const { p50, p90 } = estimate.seconds;
  return {
    seconds: threeDigits(seconds),
    ratio: threeDigits(Math.max(leastSeconds, seconds) / Math.max(leastSeconds, p50)),
    withinP90: seconds <= p90,
  };
}

/** Times below a millisecond are not told apart. */
const leastSeconds = 0.001;
const threeDigits = (value: number): number => Number(value.toPrecision(3));

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const dayMs = 24 * 3_600_000;
let lastDay = Number.NaN;
let lastDate = '';

/** `date.toISOString()`; a page of jobs has hundreds of moments, most of one day, whose date is not written anew each time. */
function iso(date: Date | null): string | null {
  const ms = date?.getTime();
  if (ms === undefined) return null;
  const day = Math.floor(ms / dayMs);
  if (day !== lastDay) {
    lastDate = new Date(ms).toISOString().slice(0, -13);
    lastDay = day;
  }
  const rest = ms - day * dayMs;
  const pad = (value: number): string => (value < 10 ? `0${value}` : String(value));
  const millis = rest % 1000;
  const hundreds = millis < 100 ? `0${pad(millis)}` : String(millis);
  return `${lastDate}${pad(Math.floor(rest / 3_600_000))}:${pad(Math.floor(rest / 60_000) % 60)}:${pad(Math.floor(rest / 1000) % 60)}.${hundreds}Z`;
}

export interface DocumentOptions {
  /** Origin of the API as its users reach it, without a slash at the end. */
  readonly publicUrl: string;
  /** Origin of Temporal's Web UI. */
  readonly temporalUi: string;
  readonly namespace: string;
}

/** When a job is likely to end; null where nobody knows. */
function endOf(job: JobRow, { etaSeconds }: Progress, queue: JobQueue | undefined, now: Date): Date | null {
  if (etaSeconds !== null) return new Date(now.getTime() + etaSeconds * 1000);
  if (job.state !== 'queued' || !queue?.estimatedStart || !job.estimate) return null;
  return new Date(Date.parse(queue.estimatedStart) + job.estimate.seconds.p50 * 1000);
}

/** The job's document; `queue`: where it stands, if that is to be told. */
export function toJob(
  job: JobRow,
  stages: readonly (StageFacts & Pick<StageOfJob, 'size'>)[],
  { publicUrl, temporalUi, namespace }: DocumentOptions,
  queue?: JobQueue,
  now: Date = new Date(),
): Job {
  const self = `${publicUrl}/v1/jobs/${encodeURIComponent(job.id)}`;
  const progress = progressOf(stages, job, now);
  const estimateError = estimateErrorOf(job, stages);
  return {
    id: job.id,
    kind: job.kind,
    state: job.state as JobState,
    waiting: job.waiting,
    owner: job.owner,
    group: job.group,
    priority: job.priority,
    run: job.run,
    input: job.input,
    size: sizeTogether(stages.map(({ size }) => size)),
    ...(job.estimate && { estimate: job.estimate }),
    ...(estimateError && { estimateError }),
    estimatedEnd: iso(endOf(job, progress, queue, now)),
    ...(queue && { queue }),
    progress,
    warnings: job.warnings,
    problem: job.problem,
    result: job.result as Job['result'],
    createdAt: job.createdAt.toISOString(),
    startedAt: iso(job.startedAt),
    finishedAt: iso(job.finishedAt),
    cancelRequestedAt: iso(job.cancelRequestedAt),
    cancelReason: job.cancelReason,
    resultsExpireAt: iso(job.resultsExpireAt),
    resultsRemovedAt: iso(job.resultsRemovedAt),
    rerunOf: job.rerunOf,
    traceId: job.traceId,
    temporalUrl: `${temporalUi}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(job.id)}`,
    links: {
      self,
      events: `${self}/events`,
      log: `${self}/log`,
      items: `${self}/items`,
      results: `${self}/results`,
      cancel: `${self}/cancel`,
      resume: `${self}/resume`,
      rerun: `${self}/rerun`,
    },
  };
}
