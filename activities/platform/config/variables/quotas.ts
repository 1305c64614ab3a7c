/** Variables of what one caller of the API may take of it. Requests and streams are counted by each API process for itself. */
import { amount, whole } from './values.ts';

export const quotas = {
  LIMIT_REQUESTS_PER_SECOND: amount(0.01, 1_000_000).default(50).meta({
    description: 'Requests a second of one key, over time; of one address where no key is sent.',
    example: '50',
  }),
  LIMIT_REQUEST_BURST: whole(1, 10_000_000)
    .default(400)
    .meta({ description: 'Requests of one key at once, after a rest.', example: '400' }),
  LIMIT_OPEN_REQUESTS: whole(1, 1_000_000).default(256).meta({
    description: 'Requests of one key that are under way, their answers not yet taken.',
    example: '256',
  }),
  LIMIT_WORKING_REQUESTS: whole(1, 100_000).default(4).meta({
    description:
      'Requests of one key that are worked on beside each other; more wait for their turn. A file that is being sent is none of them.',
    example: '4',
  }),
  LIMIT_UPLOADING_REQUESTS: whole(1, 100_000).default(32).meta({
    description:
      'Requests of one key that are sending files; each may hold 8 MiB of memory, at full speed 40.',
    example: '32',
  }),
  LIMIT_EVENT_STREAMS: whole(1, 100_000)
    .default(64)
    .meta({ description: 'Event streams and followed logs of one key.', example: '64' }),
  LIMIT_ARCHIVES: whole(1, 10_000)
    .default(8)
    .meta({ description: 'Archives that one key downloads at once.', example: '8' }),
  LIMIT_OPEN_UPLOADS: whole(1, 1_000_000).default(100).meta({
    description: 'Uploads to the object store that one owner has open, counted in Postgres.',
    example: '100',
  }),
  CLIENT_IDLE_SECONDS: amount(0.1, 86_400).default(60).meta({
    description:
      'After how long a client is given up that takes nothing of its answer, or sends less than 256 bytes a second of a file.',
    example: '60',
  }),
  API_TRUSTED_PROXIES: whole(0, 10).default(0).meta({
    description:
      'Proxies in front of the API that add the address they were called from to X-Forwarded-For; callers without a key are counted by it.',
    example: '1',
  }),
};
