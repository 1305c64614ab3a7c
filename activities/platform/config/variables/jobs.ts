/** Variables of workers and of the jobs they work on. */
import { z } from 'zod';
import { amount, byName, whole } from './values.ts';

const days = amount(0.001, 36_500);

export const jobs = {
  WORKER_MAX_ACTIVITIES: whole(1, 1000)
    .default(4)
    .meta({ description: 'Recognition activities of one worker at once.', example: '4' }),
  WORKER_SLOTS: byName(whole(1, 1000)).optional().meta({
    description: 'Activities of one worker at once, by queue.',
    example: 'light=40,recognition=8',
    absent:
      'light 20, recognition WORKER_MAX_ACTIVITIES, media DECODER_PROCESSES, interactive 2 × RECOGNITION_LANES, sky-realtime the cores, at least 2, sky one more, sky-mosaic 2',
  }),
  PAGE_SECONDS: byName(amount(0.05, 600)).optional().meta({
    description:
      'Time after which a page of items makes way for others that wait for its slot, by queue; while none waits it goes on five times as long.',
    example: 'recognition=1',
    absent: '2 each',
  }),
  HEARTBEAT_TIMEOUT_SECONDS: amount(1, 600)
    .default(10)
    .meta({ description: 'Silence after which a worker counts as dead.', example: '10' }),
  ITEM_ATTEMPTS: whole(1, 100)
    .default(3)
    .meta({ description: 'Attempts at an item before it fails by its own error.', example: '3' }),
  OUTAGE_HOURS: amount(0.001, 720).default(12).meta({
    description:
      'How long a step outlives dead workers or a server that is away, from its first failed attempt; waiting for a worker is not counted.',
    example: '12',
  }),
  RETENTION_DAYS: byName(z.union([z.literal('forever').transform(() => Number.POSITIVE_INFINITY), days]))
    .optional()
    .meta({
      description:
        'Days after which the results of a job are removed, by its kind; `forever`: kept until deleted.',
      example: 'photo=90,video=forever',
      absent: 'as each kind has it by itself',
    }),
  RETENTION_ANALYSIS_DAYS: days.optional().meta({
    description: 'The same for photo and video, where RETENTION_DAYS does not name them.',
    example: '90',
    absent: 'kept until deleted',
  }),
  JOB_LIMITS: byName(amount(0, Number.MAX_SAFE_INTEGER)).optional().meta({
    description: 'The most that a job may have of what its kind measures, by kind and measure.',
    example: 'photo.bytes=100000000000,video.bytes=50000000000',
    absent: 'as each kind has it by itself',
  }),
  IDEMPOTENCY_KEY_HOURS: amount(0, 8760).default(24).meta({
    description:
      'How long the Idempotency-Key of a deleted task answers that the task was deleted; then it is free again.',
    example: '24',
  }),
  SWEEP_INTERVAL_SECONDS: whole(1, 3600).default(15).meta({
    description: 'How often waiting submits, cancels and removals are carried out.',
    example: '15',
  }),
  RECEIVING_TIMEOUT_MINUTES: amount(0.01, 10_080)
    .default(60)
    .meta({ description: 'After how long an upload that stays unfinished is removed.', example: '60' }),
};
