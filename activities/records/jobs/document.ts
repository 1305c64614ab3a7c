/** A job's rows as the document that the API shows. Pure. */
import {
  hasEnded,
  hasSucceeded,
  type Job,
  type JobState,
  type Progress,
  type StageState,
} from '@darkroom/contract';
import type { JobRow, StageOfJob } from '../rows.ts';
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

/** Percent of a job that has not succeeded, at most. */
const almost = 99.9;

/**
 * Progress of a job: percent is the weighted mean of its stages' shares done, to a tenth and rounded down. It never
 * falls while counts rise, is null while no total is known, and 100 only for a job that has succeeded.
 * `etaSeconds` goes by the rate of the stages at work in this run.
 */
export function progressOf(
  stages: readonly StageFacts[],
  job: Pick<JobRow, 'state'>,
  now: Date = new Date(),
): Progress {
  const state = job.state as JobState;
  const atWork = stages.filter((stage) => stage.state === 'running');
  return {
    stage: hasEnded(state) ? null : (atWork.at(-1)?.name ?? null),
    stages: stages.map(stageProgress),
    percent: percentOf(stages, state),
    etaSeconds: state === 'running' ? etaOf(stages, atWork, now) : null,
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

/** Weight left over the weight per second that the stages at work have got through in this run. */
function etaOf(stages: readonly StageFacts[], atWork: readonly StageFacts[], now: Date): number | null {
  const starts = atWork.flatMap(({ startedAt }) => startedAt?.getTime() ?? []);
  const seconds = (now.getTime() - Math.min(...starts)) / 1000;
  const through = sum(
    stages
      .filter(({ state, total }) => total !== null && (state === 'running' || state === 'succeeded'))
      .map((s) => (s.weight * Math.max(0, s.done - s.resumedFrom)) / Math.max(1, s.total ?? 1)),
  );
  const left = sum(stages.map((stage) => stage.weight * (1 - shareOf(stage))));
  if (starts.length === 0 || seconds <= 0 || through <= 0) return null;
  return Math.round((left * seconds) / through);
}

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

/** The job's document. */
export function toJob(
  job: JobRow,
  stages: readonly (StageFacts & Pick<StageOfJob, 'size'>)[],
  { publicUrl, temporalUi, namespace }: DocumentOptions,
): Job {
  const self = `${publicUrl}/v1/jobs/${encodeURIComponent(job.id)}`;
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
    progress: progressOf(stages, job),
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
