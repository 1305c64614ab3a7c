/** Variables of the three servers: where they are, and how the embedded ones are run. */
import { z } from 'zod';
import { port, text, url, whole } from './values.ts';

const address = z.string().regex(/^[^\s/:]+:\d{1,5}$/, 'expected host:port');

export const servers = {
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'expected a postgres:// URL' }).meta({
    description: 'Postgres. `npm start` runs one and sets this by itself.',
    example: 'postgres://darkroom:password@127.0.0.1:5432/darkroom',
    absent: 'required',
    secret: true,
  }),
  DATABASE_POOL: whole(1, 1000).optional().meta({
    description: 'Most connections to Postgres of one process.',
    example: '10',
    absent: '10, and of a worker two more for each slot of its queues except light',
  }),
  S3_ENDPOINT: url.optional().meta({
    description: 'Any S3 server.',
    example: 'http://127.0.0.1:7070',
    absent: 'AWS',
  }),
  S3_PUBLIC_ENDPOINT: url.optional().meta({
    description: 'Address under which users reach S3; presigned links carry it.',
    example: 'https://s3.example.org',
    absent: 'S3_ENDPOINT',
  }),
  S3_REGION: text.optional().meta({
    description: 'Region of the bucket.',
    example: 'eu-central-1',
    absent: 'AWS_REGION, else that of AWS_PROFILE, else us-east-1',
  }),
  AWS_REGION: text.optional().meta({
    description: 'The same, as AWS names it.',
    example: 'eu-central-1',
    absent: 'as S3_REGION',
  }),
  S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'expected the name of a bucket')
    .default('darkroom')
    .meta({ description: 'Bucket that is the platform’s own.', example: 'darkroom' }),
  AWS_ACCESS_KEY_ID: text.optional().meta({
    description: 'Credentials of the platform for S3.',
    example: 'AKIAIOSFODNN7EXAMPLE',
    absent: 'the AWS SDK’s own chain (profile, container or instance role)',
    secret: true,
  }),
  AWS_SECRET_ACCESS_KEY: text.optional().meta({
    description: 'Goes with AWS_ACCESS_KEY_ID.',
    example: '<secret access key>',
    absent: 'as AWS_ACCESS_KEY_ID',
    secret: true,
  }),
  AWS_SESSION_TOKEN: text.optional().meta({
    description: 'Goes with temporary keys.',
    example: '<session token>',
    absent: 'the keys are no temporary ones',
    secret: true,
  }),
  AWS_PROFILE: text.optional().meta({
    description: 'Profile of ~/.aws that gives keys and region where AWS_ACCESS_KEY_ID is not set.',
    example: 'darkroom',
    absent: 'the AWS SDK’s own chain',
  }),
  S3_FORCE_PATH_STYLE: z.stringbool({ error: 'expected true or false' }).optional().meta({
    description: 'Address buckets as path (http://host/bucket) instead of host name.',
    example: 'true',
    absent: 'true if S3_ENDPOINT is set',
  }),
  TEMPORAL_ADDRESS: address.default('127.0.0.1:7233').meta({
    description: 'Temporal. TLS, API key and the rest of TEMPORAL_* are read as Temporal documents them.',
    example: '127.0.0.1:7233',
  }),
  TEMPORAL_NAMESPACE: text
    .default('default')
    .meta({ description: 'Namespace of the jobs.', example: 'default' }),
  TEMPORAL_STANDALONE_ACTIVITIES: z.enum(['auto', 'never']).default('auto').meta({
    description:
      'auto: units of one activity run as standalone activities where the server has them (1.31 and later); never: a workflow stands in, as on an older one.',
    example: 'auto',
  }),
  TEMPORAL_UI_URL: url
    .default('http://localhost:8233')
    .meta({ description: 'Temporal’s Web UI; jobs link to it.', example: 'https://temporal.example.org' }),
};

/** Of one of the embedded servers. */
const embeddedPort = (of: string, usual: number) =>
  port.optional().meta({
    description: `Port of the embedded ${of}.`,
    example: String(usual),
    absent: String(usual),
  });

export const localStack = {
  DARKROOM_POSTGRES_PORT: embeddedPort('Postgres', 54329),
  DARKROOM_S3_PORT: embeddedPort('S3', 7070),
  DARKROOM_TEMPORAL_PORT: embeddedPort('Temporal', 7233),
  DARKROOM_TEMPORAL_UI_PORT: embeddedPort('Temporal’s Web UI', 8233),
  DARKROOM_TEMPORAL_SYNCHRONOUS: z.enum(['full', 'normal']).default('full').meta({
    description:
      'What a commit of the embedded Temporal outlives: a power cut (full), or a kill alone (normal, which is faster).',
    example: 'full',
  }),
  DARKROOM_STACK: text.optional().meta({
    description: 'Set by the embedded stack: names the stack that a process belongs to.',
    example: '1f0c',
    absent: 'no stack',
  }),
  DARKROOM_SERVICE: text.optional().meta({
    description: 'Set by the embedded stack: names the service that a process is.',
    example: 'worker',
    absent: 'none',
  }),
};
