/** Surveys: a kind whose activities take hours. One leaves checkpoints, the other is a program that nobody can stop and go on with. */
import type { KindDefinition } from '@darkroom/contract';
import { z } from 'zod';

/** The options of a survey; a test shortens the hours. */
export const surveyOptions = z.strictObject({
  steps: z.int().min(1).default(1800),
  stepMs: z.int().min(1).default(1000),
  /** File to which each step that is worked on is noted. */
  journal: z.string().optional(),
  /** The step at which the refining hangs, deaf to all, unless it goes on from a checkpoint. */
  hangsAt: z.int().optional(),
  /** Steps after which the work waits for a file. */
  gates: z.array(z.strictObject({ at: z.int(), file: z.string() })).default([]),
  /** File without which the survey is not published: it fails. */
  permit: z.string().optional(),
});
export type SurveyOptions = z.infer<typeof surveyOptions>;

/** The options of scans: each of their items is a program of so many steps. */
export const scansOptions = surveyOptions.pick({ steps: true, stepMs: true, gates: true });

export const scansKind = {
  kind: 'scans',
  title: 'Scans',
  workflow: 'scans',
  input: scansOptions,
  stages: [
    { name: 'scan', unit: 'scans', weight: 1, itemsOf: 'scan' },
    { name: 'publish', unit: 'scans', weight: 1, itemsOf: 'scan' },
  ],
  longest: '3 hours',
  inputs: (id: string) => `scan-inputs/${id}/`,
  outputs: (id: string): [string] => [`scans/${id}/`],
} as const satisfies KindDefinition;

export const surveyKind = {
  kind: 'survey',
  title: 'Survey',
  workflow: 'survey',
  input: surveyOptions,
  stages: [
    { name: 'refine', unit: 'steps', weight: 1 },
    { name: 'simulate', unit: 'steps', weight: 1 },
    { name: 'publish', unit: 'surveys', weight: 1 },
  ],
  longest: '3 hours',
  inputs: (id: string) => `survey-inputs/${id}/`,
  outputs: (id: string): [string] => [`surveys/${id}/`],
} as const satisfies KindDefinition;
