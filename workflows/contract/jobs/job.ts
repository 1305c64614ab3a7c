/** The shape of a job, the same for every kind. */
import { z } from 'zod';
import { problemRecord } from '../problems/problem.ts';
import type { OpenPage, StageCounts } from './call.ts';
import type { Longest } from './kind.ts';

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
    aliveAt: z.iso.datetime().nullable().meta({
      description:
        'When a worker that is at the stage last said that it lives. It says so every few seconds, also while the work stands still.',
    }),
    movedAt: z.iso.datetime().nullable().meta({
      description:
        'When the work of the stage last got on. Long before `aliveAt`, and it stands still: a program hangs, or computes without a word.',
    }),
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
    etaSeconds: z.number().nullable().meta({
      description:
        'Seconds until a running job is likely to end: what it was estimated at, and the more it has done the more what its own progress shows. An estimate; never 0 before the end; null while nothing is known.',
    }),
  })
  .meta({ id: 'Progress' });
export type Progress = z.infer<typeof progress>;

export const jobEstimate = z
  .object({
    seconds: z.object({ p50: z.number(), p90: z.number() }).meta({
      description:
        'From its start to its end without waiting for workers: half of the jobs like it are expected to take `p50` or less, nine in ten `p90`.',
    }),
    runs: z.int().min(0).meta({
      description:
        'Jobs like it that it is learnt from, 200 at most; 0: it stands on what is assumed of its kind.',
    }),
    error: z
      .object({
        runs: z.int().meta({ description: 'Of those, the ones that had been estimated themselves.' }),
        ratio: z
          .number()
          .meta({ description: 'In the middle, what they took over their `p50`: above 1 they took longer.' }),
        withinP90: z.number().min(0).max(1).meta({ description: 'Share that took their `p90` or less.' }),
      })
      .nullable()
      .meta({ description: 'How good earlier estimates were; null while there are none.' }),
    expected: z
      .record(z.string(), z.number())
      .optional()
      .meta({
        description:
          'The size that it was estimated by, where that was expected from a list which was not planned by then; with the plan there is `size`, and an estimate by that.',
        example: { cutouts: 200, bytes: 44_000_000 },
      }),
  })
  .meta({ id: 'JobEstimate', description: 'An estimate, not a promise.' });
export type JobEstimate = z.infer<typeof jobEstimate>;

export const estimateError = z
  .object({
    seconds: z.number().meta({ description: 'What it worked, waiting for workers not counted.' }),
    ratio: z
      .number()
      .meta({ description: 'Those seconds over `estimate.seconds.p50`: above 1 it took longer.' }),
    withinP90: z.boolean().meta({ description: 'Whether it took `estimate.seconds.p90` or less.' }),
  })
  .meta({ id: 'EstimateError', description: 'How far off the estimate of a job was.' });
export type EstimateError = z.infer<typeof estimateError>;

export const jobQueue = z
  .object({
    place: z.int().min(0).meta({
      description:
        'Its place among the jobs that wait for the same workers: 1 is the next to begin, 0 has begun. Priorities come first; within one the owners take turns, so that one with a hundred jobs does not hold up another. An estimate: others may come in meanwhile.',
    }),
    ahead: z
      .object({
        jobs: z.int().min(0).meta({
          description: 'Jobs that begin before it, and those that run and take turns with it or go first.',
        }),
        seconds: z.number().min(0).meta({
          description: 'Work of these that is likely to be done before it begins. An estimate.',
        }),
      })
      .meta({ description: 'What comes before it begins.' }),
    estimatedStart: z.iso.datetime().nullable().meta({
      description:
        'When it is likely to begin, with the workers that are at work now; of a job that has begun, when it did. An estimate; null while it waits for what is away (`waiting`).',
    }),
  })
  .meta({ id: 'JobQueue', description: 'Where a job stands among those that wait and run.' });
export type JobQueue = z.infer<typeof jobQueue>;

export const jobLinks = z
  .object({
    self: z.string(),
    events: z.string(),
    log: z.string(),
    items: z.string(),
    results: z.string(),
    cancel: z.string(),
    resume: z.string(),
    rerun: z.string(),
    live: z
      .string()
      .optional()
      .meta({ description: 'The event stream for a browser: signed, needs no key.' }),
    archive: z.string().optional().meta({
      description: 'The zip of the results for a browser: signed, needs no key. Once the job has ended.',
    }),
  })
  .meta({ id: 'JobLinks', description: 'Addresses of the API.' });
export type JobLinks = z.infer<typeof jobLinks>;

export const jobResult = z
  .looseObject({
    manifest: z
      .string()
      .meta({ description: 'URI of the manifest with all files, or of an index of its parts.' }),
    files: z.int().meta({ description: 'Files in all.' }),
    warnings: z
      .array(z.string())
      .optional()
      .meta({ description: 'What went wrong besides items, in words.' }),
  })
  .meta({
    id: 'JobResult',
    description:
      'What a job that succeeded says of its results. A kind may add to it: photo and video add `labels`.',
  });
export type JobResult = z.infer<typeof jobResult>;

export const job = z
  .object({
    id: z.string(),
    kind: z.string(),
    state: jobState,
    waiting: z.string().nullable().meta({
      description: 'What a job that does not go on waits for: a server that is away, a worker for its queue.',
      example: 'No worker serves recognition',
    }),
    owner: z.string(),
    group: z.string().nullable(),
    priority: z.int().min(1).max(5),
    run: z.int().meta({ description: 'Counts submits and resumes of this job.' }),
    input: z.record(z.string(), z.unknown()).meta({
      description:
        'The options, defaults filled in: of kind `photo` AnalysisOptions, of kind `video` VideoOptions.',
    }),
    size: z.record(z.string(), z.number()).meta({
      description:
        'How large the job is, by what its kind measures: of photos `photos` and `bytes`, of a video `bytes` and the `scenes` found so far.',
      example: { photos: 190, bytes: 712_000_000 },
    }),
    estimate: jobEstimate.optional().meta({
      description:
        'What the job was estimated at when its size became known: with the request, or once a list or archive was read. Absent before that, and of kinds that are not estimated.',
    }),
    estimateError: estimateError.optional().meta({
      description: 'How far off `estimate` was; of jobs that succeeded in their first run.',
    }),
    estimatedEnd: z.iso.datetime().nullable().meta({
      description:
        'When it is likely to end: of a running job `progress.etaSeconds` from now; of one that waits its `estimatedStart` and `p50` seconds, where `queue` is told. An estimate; null once it has ended, and while nothing is known.',
    }),
    queue: jobQueue.optional().meta({
      description: 'While it waits or runs; of a single job, not in lists and events.',
    }),
    progress,
    warnings: z.int().meta({
      description: 'Items that failed, and what else went wrong; the latter in words in `result.warnings`.',
    }),
    problem: problemRecord.nullable(),
    result: jobResult.nullable(),
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
    links: jobLinks,
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
    uri: z.string().meta({ description: 'Object of the store that it is, or lies in.' }),
    range: z
      .object({ start: z.int().min(0), length: z.int().min(1) })
      .optional()
      .meta({
        description:
          'Bytes of the object that are the file, where many small files are stored as one; `bytes` and the digests are those of the file.',
      }),
    bytes: z.int(),
    sha256: z.string(),
    crc32: z.int().min(0).optional().meta({
      description: 'As zip archives have it (IEEE 802.3); absent for files of older jobs.',
    }),
    contentType: z.string(),
    item: z.string().nullable().meta({ description: 'Key of the item it belongs to.' }),
  })
  .meta({ id: 'ManifestFile' });
export type ManifestFile = z.infer<typeof manifestFile>;

export const manifest = z
  .object({ job: z.string(), kind: z.string(), files: z.array(manifestFile) })
  .meta({ id: 'Manifest' });
export type Manifest = z.infer<typeof manifest>;

/** Files that a manifest in one piece lists at most; of more it is an index of parts, each of which lists so many at most. */
export const filesPerManifest = 10_000;

/** What the manifest is where a job has many files. Each part is NDJSON, a {@link manifestFile} a line, in the order of the files. */
export const manifestIndex = z
  .object({
    job: z.string(),
    kind: z.string(),
    total: z.int().meta({ description: 'Files in all.' }),
    parts: z.array(
      z.object({
        uri: z.string(),
        files: z.int().meta({ description: 'Files, and lines, of the part.' }),
        bytes: z.int(),
        sha256: z.string(),
      }),
    ),
  })
  .meta({ id: 'ManifestIndex' });
export type ManifestIndex = z.infer<typeof manifestIndex>;

/** What has been told of a job that was deleted while it was followed. */
export const deletedJob = z.object({ id: z.string() }).meta({ id: 'DeletedJob' });

const eventId = z.string().meta({
  description: 'Opaque; a client that sends it as `Last-Event-ID` goes on from there.',
});
const eventNamed = <Name extends string, Data extends z.ZodType>(event: Name, data: Data) => ({
  event: z.literal(event),
  data,
});

/** A job's events, by their field `event`; `data` is JSON in the stream. */
export const jobEvent = z
  .discriminatedUnion('event', [
    z.object({ id: eventId, ...eventNamed('snapshot', job) }).meta({
      id: 'JobSnapshotEvent',
      description: 'The job as it is: the first event, unless the client goes on from an earlier one.',
    }),
    z
      .object({ id: eventId, ...eventNamed('state', job) })
      .meta({ id: 'JobStateEvent', description: 'The job after a change of its state.' }),
    z
      .object({ id: eventId, ...eventNamed('progress', progress) })
      .meta({ id: 'JobProgressEvent', description: 'The progress of the job.' }),
    z
      .object(eventNamed('deleted', deletedJob))
      .meta({ id: 'JobDeletedEvent', description: 'The job was deleted; the last event.' }),
  ])
  .meta({ id: 'JobEvent', description: 'An event of a stream; its field `event` tells what `data` is.' });
export type JobEvent = z.infer<typeof jobEvent>;

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
  /** The longest that an activity of the kind may take, where the kind says so. */
  readonly longest?: Longest;
  /** Where a continued-as-new run looks for pages, by stage of items: the ordinal behind those that were found. */
  readonly cursors?: Readonly<Record<string, number>>;
  /** The same of the stage that paused, for runs and workers of the version before, which know of one stage. */
  readonly cursor?: number;
  /** Pages of one stage before that which are not finished. */
  readonly open?: { readonly stage: string; readonly pages: readonly OpenPage[] };
  /** Counts of the stages when the run continued as new. */
  readonly counts?: readonly StageCounts[];
  /** How often objects were missing when the job was to be published; absent: never. */
  readonly redone?: number;
}

/** Durations that operators set and tests shorten; workflow code cannot read the environment. */
export interface JobTiming {
  readonly heartbeatSeconds: number;
}
