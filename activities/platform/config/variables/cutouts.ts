/** Variables of cutouts as answers to requests. */
import { amount, whole } from './values.ts';

const MiB = 1024 * 1024;

export const cutouts = {
  CUTOUT_DEADLINE_SECONDS: amount(0.1, 300).default(10).meta({
    description:
      'How long a cutout is waited for. One that is expected to take longer is refused before any work.',
    example: '10',
  }),
  CUTOUT_QUEUE: whole(1, 100_000).default(64).meta({
    description: 'Distinct cutouts that one API process has under way; more are refused with 503.',
    example: '64',
  }),
  CUTOUT_KEPT_MINUTES: amount(0, 100_000).default(60).meta({
    description: 'How long the file of a cutout is given to others that ask for the same.',
    example: '60',
  }),
  LIMIT_CUTOUT_PIXELS: whole(1).default(400_000_000).meta({
    description:
      'Pixels of one cutout, those of all its bands and planes together: what it takes in time, and as FITS on the disk of its worker; memory is bounded without it.',
    example: '400000000',
  }),
  LIMIT_CUTOUT_BYTES: whole(1024)
    .default(256 * MiB)
    .meta({ description: 'Size of the file of one cutout.', example: '268435456' }),
  CUTOUT_CACHE_BYTES: whole(MiB)
    .default(64 * MiB)
    .meta({
      description: 'Headers and tile tables of survey files that a worker keeps in memory.',
      example: '67108864',
    }),
  CUTOUT_MEMORY_BYTES: whole(256 * MiB)
    .default(1024 * MiB)
    .meta({
      description:
        'What all cutouts under way in one worker take together, beside its cache; some wait for others. One that makes those of requests and those of jobs has as much for each, so that neither waits for the other. Pictures that would take more than three quarters of it are refused.',
      example: '1073741824',
    }),
  CUTOUT_AHEAD_BYTES: whole(MiB)
    .default(128 * MiB)
    .meta({
      description:
        'Pixels that a worker of cutout jobs reads ahead of the cutouts that are made of them, of all its pages together; beside CUTOUT_MEMORY_BYTES.',
      example: '134217728',
    }),
  RETENTION_CUTOUT_REQUEST_DAYS: amount(0.0001, 36_500).default(90).meta({
    description: 'How long requests for cutouts are on record; estimates keep what they have learnt.',
    example: '90',
  }),
};
