/** What the platform needs to know of a kind of job to submit, show, sweep and remove it. */
import type { z } from 'zod';

export interface StageDefinition {
  readonly name: string;
  /** What its counts count, plural: photos, frames, tiles. */
  readonly unit: string;
  /** Share of the job's percent, relative to the other stages. */
  readonly weight: number;
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
  /** The setting that says how many days results are kept; without one, until the job is deleted. */
  readonly retention?: 'analysisDays';
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
} as const;
export type Queue = (typeof queues)[keyof typeof queues];
