/** What the platform needs to know of a kind of job to submit, show, sweep and remove it. */
import type { z } from 'zod';

export interface StageDefinition {
  readonly name: string;
  /** What its counts count, plural: photos, frames, tiles. */
  readonly unit: string;
  /** Share of the job's percent, relative to the other stages. */
  readonly weight: number;
  /** The stage whose items its counts count: itself, where it has items of its own. A stage without counts none, and reports for itself. */
  readonly itemsOf?: string;
}

/** How long an attempt at an activity may work: a look at something or a page of items minutes, a program hours. */
export type Longest = `${number} minutes` | `${number} hours` | '1 minute' | '1 hour';

/** What an activity may take that says nothing, and the most that one can whose kind says nothing. */
export const longestActivity = '10 minutes' satisfies Longest;

/** Amounts by name, such as photos and bytes. */
export type Size = Readonly<Record<string, number>>;

/** What is taken to be true of how long something works before it has: a base, and what one of each adds, seconds. */
export interface AssumedSeconds {
  readonly base: number;
  readonly per: Size;
}

export interface KindDefinition {
  readonly kind: string;
  /** Shown as the summary of the workflow. */
  readonly title: string;
  /** Workflow type, the name of the exported function under workflows/. */
  readonly workflow: string;
  /** Options of the job; what `rerun` merges changes into. */
  readonly input: z.ZodType<Record<string, unknown>>;
  readonly stages: readonly StageDefinition[];
  /** The task queue whose workers its jobs wait for: kinds that name the same one take turns. Without, a job waits for others of its kind alone. */
  readonly queue?: string;
  /**
   * The longest that an attempt at one of its activities may work, where that is more than 10 minutes. A removed job's objects are looked for
   * again after it. A suspect item of such a kind, under which the process died too often, has no other of its kind beside it; items of
   * other kinds neither wait for those of such a kind, nor these for them.
   */
  readonly longest?: Longest;
  /** Days that results are kept where RETENTION_DAYS does not name the kind; without, until the job is deleted. */
  readonly retentionDays?: number;
  /** What a job of the kind is measured in, each with what one of its items adds, submitted or found; shown as the job's `size`. */
  readonly sizes?: Readonly<
    Record<string, (item: { readonly stage: string; readonly input: object }) => number>
  >;
  /** The most of these that a job may have where JOB_LIMITS does not say; without, any. */
  readonly limits?: Size;
  /** What jobs of the kind are estimated by; without, they are not. */
  readonly estimate?: {
    /** On two cores; by those of its `sizes` that its time goes by and that are known before the work. The jobs that end teach better. */
    readonly seconds: AssumedSeconds;
    /** Tells apart, by their options, what takes longer for the same size: one of a few words. */
    readonly key?: (input: Record<string, unknown>) => string;
  };
  /** URI of the source that the first stage, or an item of it, is made from, where that may be an object elsewhere that was granted. */
  readonly sourceOf?: (input: object) => string | undefined;
  /** URI of where the results are to be delivered to besides, as the options have it: asked whether it is granted at submit, rerun and resume. */
  readonly targetOf?: (input: Record<string, unknown>) => string | undefined;
  /** Key prefix in the bucket that holds what was uploaded for the job. Ends with a slash. */
  readonly inputs: (jobId: string) => string;
  /** Key prefixes that hold what the job makes; the first one gets the manifest. Each ends with a slash. */
  readonly outputs: (jobId: string) => readonly [string, ...string[]];
}

/** Task queues by what their machines are good at. */
export const queues = {
  /** Workflows, and the steps of every kind that cost next to nothing. */
  light: 'light',
  recognition: 'recognition',
  /** Videos: a decoding process of its own for each. */
  media: 'media',
  /** What somebody waits for with the connection open: predictions. */
  interactive: 'interactive',
  /** Likewise: cutouts of sky surveys, by the workers that have tiles open. */
  skyRealtime: 'sky-realtime',
  /** Cutouts of jobs, tile by tile. */
  sky: 'sky',
  /** Those that are made of several tiles, which takes memory. */
  skyMosaic: 'sky-mosaic',
} as const;

/** The queue of one worker, beside one that it serves: for the groups which it has open. */
export const workersOwnQueue = (queue: string, worker: string): string => `${queue}@${worker}`;

/** Seconds that a worker has to take the next page of a group that it has open, before any other may. */
export const openForSeconds = 5;

/** Seconds after which a page of items makes way for others that wait, where PAGE_SECONDS does not say. */
export const pageSeconds = 2;

/** Type of the failure of a page whose worker got it and found no slot for it in time: it counts as not taken. */
export const notTaken = 'not-taken';

/** Type of the failure of an activity whose worker was told to stop: another worker goes on with it. */
export const released = 'released';

/** The queue beside which a worker's own one lies; any other is itself. */
export const sharedQueue = (name: string): string => name.replace(/@.*$/s, '');
