/** The shape of a job, the same for every kind. */
import { z } from 'zod';
import { problemRecord } from './problem.ts';

export const jobStates = [
  'receiving',
  'queued',
  'running',
  'cancelling',
  'succeeded',
  'succeeded_with_warnings',
  'failed',
  'cancelled',
] as const;
export const jobState = z.enum(jobStates).meta({
  id: 'JobState',
  description:
    'receiving (an upload is under way), queued, running, cancelling, then one of succeeded, succeeded_with_warnings, failed, cancelled.',
});
export type JobState = z.infer<typeof jobState>;

export const endStates = ['succeeded', 'succeeded_with_warnings', 'failed', 'cancelled'] as const;
export type EndState = (typeof endStates)[number];
export const hasEnded = (state: JobState): state is EndState =>
  (endStates as readonly string[]).includes(state);

/** Whether it ended as it should, warnings or not: its results are published. */
export const hasSucceeded = (state: JobState): boolean =>
  state === 'succeeded' || state === 'succeeded_with_warnings';

export const stageState = z
  .enum(['pending', 'running', 'succeeded', 'failed', 'cancelled'])
  .meta({ id: 'StageState' });
export type StageState = z.infer<typeof stageState>;

export const stageProgress = z
  .object({
    name: z.string(),
    state: stageState,
    done: z.int().meta({ description: 'Units finished, failed ones included.' }),
    failed: z.int().meta({ description: 'Units that failed.' }),
    total: z.int().nullable().meta({ description: 'Units in all; null while it is not known.' }),
    unit: z.string().meta({ example: 'photos' }),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
    queueSeconds: z.number().meta({ description: 'Time its attempts waited for a worker, summed.' }),
    workSeconds: z.number().meta({ description: 'Time its attempts worked, summed.' }),
    attempts: z.int(),
  })
  .meta({ id: 'StageProgress' });
export type StageProgress = z.infer<typeof stageProgress>;

export const progress = z
  .object({
    stage: z.string().nullable().meta({ description: 'The stage at work.' }),
    stages: z.array(stageProgress),
    percent: z
      .number()
      .min(0)
      .max(100)
      .nullable()
      .meta({ description: 'Never falls; null while it is not known.' }),
    etaSeconds: z.number().nullable(),
  })
  .meta({ id: 'Progress' });
export type Progress = z.infer<typeof progress>;

export const job = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: jobState,
    waiting: z.string().nullable().meta({ description: 'What a running job waits for.' }),
    owner: z.string(),
    group: z.string().nullable(),
    priority: z.int().min(1).max(5),
    run: z.int().meta({ description: 'Counts submits and resumes of this job.' }),
    input: z.record(z.string(), z.unknown()).meta({ description: 'The options, defaults filled in.' }),
    progress,
    warnings: z.int().meta({
      description: 'Items that failed, and what else went wrong; the latter in words in `result.warnings`.',
    }),
    problem: problemRecord.nullable(),
    result: z.record(z.string(), z.unknown()).nullable(),
    createdAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
    cancelRequestedAt: z.iso.datetime().nullable(),
    cancelReason: z.string().nullable(),
    resultsExpireAt: z.iso.datetime().nullable(),
    resultsRemovedAt: z.iso.datetime().nullable(),
    rerunOf: z.string().nullable(),
    traceId: z.string().nullable(),
    temporalUrl: z.string(),
    links: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Job' });
export type Job = z.infer<typeof job>;

export const itemState = z.enum(['pending', 'running', 'succeeded', 'failed']).meta({ id: 'ItemState' });
export type ItemState = z.infer<typeof itemState>;

export const jobItem = z
  .object({
    stage: z.string(),
    key: z.string(),
    state: itemState,
    attempt: z.int(),
    run: z.int(),
    sha256: z.string().nullable(),
    problem: problemRecord.nullable(),
  })
  .meta({ id: 'JobItem' });
export type JobItem = z.infer<typeof jobItem>;

export const manifestFile = z
  .object({
    path: z.string().meta({ description: 'Path within the archive of the job.' }),
    uri: z.string(),
    bytes: z.int(),
    sha256: z.string(),
    contentType: z.string(),
    item: z.string().nullable().meta({ description: 'Key of the item it belongs to.' }),
  })
  .meta({ id: 'ManifestFile' });
export type ManifestFile = z.infer<typeof manifestFile>;

export const manifest = z
  .object({ job: z.string(), kind: z.string(), files: z.array(manifestFile) })
  .meta({ id: 'Manifest' });
export type Manifest = z.infer<typeof manifest>;

/** What starts a job's workflow: small, and without anything the row knows better. */
export interface JobStart {
  readonly jobId: string;
  /** Fencing counter of the job row this run works under. */
  readonly run: number;
  readonly kind: string;
  readonly title: string;
  readonly owner: string;
  /** Stage names in order, for the details in Temporal's Web UI. */
  readonly stages: readonly string[];
  /** Items in the ledger when the run starts; 0 where a stage of the job finds them. */
  readonly items: number;
  readonly timing: JobTiming;
  /** Where a continued-as-new run goes on: ordinal of the first page not finished. */
  readonly cursor?: number;
}

/** Durations that operators set and tests shorten; workflow code cannot read the environment. */
export interface JobTiming {
  readonly heartbeatSeconds: number;
  /** How long a stage outlives dead workers or an outage. */
  readonly outageHours: number;
}
