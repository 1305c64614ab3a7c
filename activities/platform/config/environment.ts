/**
 * Every environment variable Darkroom reads, what it means, and what it is when it is absent. `.env.example` is generated from here.
 *
 * `example` is shown where a value is wrong; `absent` says in words what holds without one, where that is not a plain default;
 * the value of a `secret` is never shown.
 */
import { queues } from '@darkroom/contract';
import { z } from 'zod';
import { failpointPlan } from '../failpoint.ts';
import { lane, limits, media, program, recognition } from './variables/imaging.ts';
import { quotas } from './variables/quotas.ts';
import { amount, byName, text, whole } from './variables/values.ts';

type Served = (typeof queues)[keyof typeof queues];
/** Workflows run beside light steps, so that queue is not named by itself. */
const served = Object.values(queues) as [Served, ...Served[]];

const address = z.string().regex(/^[^\s/:]+:\d{1,5}$/, 'expected host:port');
const port = z.coerce.number('expected a port').int().min(0).max(65_535);
const url = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' });

/** Scheme, host and port, as a browser's Origin header has them. */
const origins = z
  .string()
  .transform((value) => value.split(',').map((origin) => origin.trim()))
  .pipe(
    z.array(
      z
        .string()
        .refine(
          (origin) => origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin),
          'expected origins such as https://viewer.example.org, without a path',
        ),
    ),
  );

const json = z.string().transform((value, ctx) => {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    ctx.addIssue({ code: 'custom', message: 'expected JSON' });
    return z.NEVER;
  }
});

const grant = z
  .strictObject({
    owner: z.string().min(1).optional(),
    group: z.string().min(1).optional(),
    everyone: z.literal(true).optional(),
    prefix: z.string().regex(/^s3:\/\/[^/]+(\/.*)?$/, 'expected s3://bucket/prefix/'),
    access: z.enum(['read', 'read-write']),
  })
  .refine(
    ({ owner, group, everyone }) => owner !== undefined || group !== undefined || everyone === true,
    'expected one of owner, group, everyone',
  );

const processVariables = {
  DARKROOM_MODE: z.enum(['development', 'production']).optional().meta({
    description:
      'In production no secret has a default and failpoints are refused. NODE_ENV=production means the same.',
    example: 'production',
    absent: 'production if NODE_ENV is, else development',
  }),
  NODE_ENV: text.optional().meta({
    description: 'Read where DARKROOM_MODE is absent.',
    example: 'production',
    absent: 'development',
  }),
  DARKROOM_HOME: text.default('.darkroom').meta({
    description:
      'Folder for everything generated: servers, models, data, logs. A relative path starts at the repository.',
    example: '/var/lib/darkroom',
  }),
  DARKROOM_QUEUES: text
    .transform((value) => value.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(served)).min(1))
    .optional()
    .meta({
      description: 'Task queues that a worker serves, separated by commas.',
      example: served.join(','),
      absent: 'all of them',
    }),
};

const apiVariables = {
  API_HOST: text
    .default('127.0.0.1')
    .meta({ description: 'Address the API listens on.', example: '0.0.0.0' }),
  API_PORT: port.default(8000).meta({ description: 'TCP port of the API.', example: '8000' }),
  PUBLIC_URL: url.optional().meta({
    description: 'Address under which users reach the API; links carry it.',
    example: 'https://darkroom.example.org',
    absent: 'http://localhost:API_PORT',
  }),
  CORS_ORIGINS: origins.optional().meta({
    description:
      'Origins of pages served elsewhere that may use the API, separated by commas; * for all. The embedded bucket gets the same; of another bucket, its operator sets the CORS rules.',
    example: 'https://viewer.example.org,http://localhost:5173',
    absent: 'none',
  }),
  LINK_SECRET: z.string().min(32, 'expected at least 32 characters').optional().meta({
    description:
      'Signs the short-lived links to results, event streams and pictures. Required in production, and as soon as API_HOST or PUBLIC_URL is not loopback.',
    example: '<output of `openssl rand -hex 32`>',
    absent: 'on loopback in development made from DATABASE_URL',
    secret: true,
  }),
  LINK_TTL_SECONDS: whole(10, 604_800)
    .default(900)
    .meta({ description: 'How long a signed link works.', example: '900' }),
  DARKROOM_GRANTS: json
    .pipe(z.array(grant))
    .optional()
    .meta({
      description:
        'Who may use which S3 prefixes as source or target besides their own uploads: a JSON array of ' +
        '{owner | group | everyone: true, prefix, access: read | read-write}.',
      example: '[{"group":"lab","prefix":"s3://pictures/lab/","access":"read"}]',
      absent: 'none',
    }),
};

const servers = {
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

const days = amount(0.001, 36_500);

const jobs = {
  WORKER_MAX_ACTIVITIES: whole(1, 1000)
    .default(4)
    .meta({ description: 'Recognition activities of one worker at once.', example: '4' }),
  WORKER_SLOTS: byName(whole(1, 1000)).optional().meta({
    description: 'Activities of one worker at once, by queue.',
    example: 'light=40,recognition=8',
    absent: 'light 20, recognition WORKER_MAX_ACTIVITIES, media DECODER_PROCESSES',
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

const observation = {
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
    .default('info')
    .meta({ description: 'Least level of the JSON logs on stdout.', example: 'debug' }),
  LOG_DIR: text.optional().meta({
    description: 'Folder of log files.',
    example: '/var/log/darkroom',
    absent: 'DARKROOM_HOME/logs',
  }),
  ACCESS_LOG: text.optional().meta({
    description: 'Access log of the API: one JSON line per request, rotated by size.',
    example: '/var/log/darkroom/output.log',
    absent: 'LOG_DIR/output.log',
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: url.optional().meta({
    description: 'Where traces go by OTLP over HTTP; OTEL_EXPORTER_OTLP_HEADERS is read too.',
    example: 'http://127.0.0.1:4318',
    absent: 'traces are not exported',
  }),
  WORKER_METRICS_PORT: port.optional().meta({
    description: 'Prometheus metrics of the worker (/metrics), on loopback.',
    example: '9464',
    absent: '9464, or a free one where another worker of the machine has that; the log names it',
  }),
  WORKER_SDK_METRICS_PORT: port.optional().meta({
    description: 'Metrics of Temporal’s SDK; the worker’s own /metrics has them too.',
    example: '9465',
    absent: '9465, or a free one',
  }),
};

const localStack = {
  DARKROOM_POSTGRES_PORT: port
    .optional()
    .meta({ description: 'Port of the embedded Postgres.', example: '54329', absent: '54329' }),
  DARKROOM_S3_PORT: port
    .optional()
    .meta({ description: 'Port of the embedded S3.', example: '7070', absent: '7070' }),
  DARKROOM_TEMPORAL_PORT: port
    .optional()
    .meta({ description: 'Port of the embedded Temporal.', example: '7233', absent: '7233' }),
  DARKROOM_TEMPORAL_UI_PORT: port
    .optional()
    .meta({ description: 'Port of the embedded Temporal’s Web UI.', example: '8233', absent: '8233' }),
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

const testing = {
  DARKROOM_FAILPOINTS: json.pipe(failpointPlan).optional().meta({
    description: 'For tests: where the process is to die, stop, wait or fail. Refused in production.',
    example: '{"seed":1,"points":{"item.before-publish":{"kill":0.1}}}',
    absent: 'nowhere',
  }),
};

/** The variables by theme, in the order of `.env.example`. */
export const sections = {
  Process: processVariables,
  API: apiVariables,
  'Postgres, S3, Temporal': servers,
  Limits: limits,
  'What one caller may take': quotas,
  Recognition: recognition,
  'Videos and what FFmpeg reads': media,
  'Processes that hold what strangers sent': lane,
  'External programs': program,
  'Workers and jobs': jobs,
  'Logs, traces, metrics': observation,
  'Embedded stack (`npm start`)': localStack,
  Tests: testing,
};

/** The schema of the environment. */
export const environment = z.object({
  ...processVariables,
  ...apiVariables,
  ...servers,
  ...limits,
  ...quotas,
  ...recognition,
  ...media,
  ...lane,
  ...program,
  ...jobs,
  ...observation,
  ...localStack,
  ...testing,
});

export type Environment = z.infer<typeof environment>;
export type VariableName = keyof Environment;

const notes = z.object({
  description: z.string(),
  example: z.string(),
  absent: z.string().optional(),
  secret: z.boolean().default(false),
});

/** What is written about a variable: its description, an example, and what holds without it. */
export function notesOf(schema: z.ZodType): z.infer<typeof notes> {
  return notes.parse(schema.meta() ?? {});
}
