/** The configuration of a process: the environment, read once, checked as a whole. */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { queues } from '@darkroom/contract';
import { type Environment, environment, notesOf, type VariableName } from './environment.ts';

/** Everything that is wrong with the environment, in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super(
      [
        `The environment is not valid (${count}):`,
        ...problems.map((problem) => `  ${problem}`),
        'Every variable is explained in .env.example.',
      ].join('\n'),
    );
    // Whoever reads this set a variable; where in the program it was found says nothing to them.
    this.stack = `${this.name}: ${this.message}`;
  }
}

export type Config = ReturnType<typeof configOf>;

/**
 * Reads the configuration from `env`. An empty value counts as absent.
 * @throws ConfigError naming everything that is wrong at once.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value?.trim() ? [[name, value.trim()]] : [])),
  );
  const problems = unknownNames(Object.keys(given));
  const read = environment.safeParse(given);
  if (!read.success) {
    problems.push(
      ...read.error.issues.map((issue) => {
        const [name, ...within] = issue.path as [VariableName, ...PropertyKey[]];
        return wrongValue(name, given[name], within, issue.message);
      }),
    );
  }
  problems.push(...contradictions(given));
  if (!read.success || problems.length > 0) throw new ConfigError(problems);
  return configOf(read.data);
}

/** The origins that CORS_ORIGINS names, for who needs nothing else of the configuration. Throws ZodError. */
export const corsOrigins = (value: string | undefined): readonly string[] =>
  environment.shape.CORS_ORIGINS.parse(value?.trim() || undefined) ?? [];

function wrongValue(
  name: VariableName,
  value: string | undefined,
  within: readonly PropertyKey[],
  reason: string,
): string {
  const { description, example, secret } = notesOf(environment.shape[name]);
  const ending = `Example: ${name}=${example}`;
  if (value === undefined) return `${name} is missing. ${description} ${ending}`;
  const where = within.length === 0 ? name : `${name} (at ${within.map(String).join('.')})`;
  const shown = secret ? 'not valid' : JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  return `${where} is ${shown}: ${reason}. ${ending}`;
}

/** What no single variable can tell. */
function contradictions(given: Record<string, string>): string[] {
  const found: string[] = [];
  const keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;
  for (const [one, other] of [keys, [keys[1], keys[0]] as const]) {
    if (given[one] !== undefined && given[other] === undefined)
      found.push(`${other} is missing, though ${one} is set. Set both, or neither.`);
  }
  if (given.LINK_SECRET === undefined && (modeOf(given) === 'production' || isReachable(given)))
    found.push(wrongValue('LINK_SECRET', undefined, [], 'it has a default on loopback alone'));
  if (given.AWS_SESSION_TOKEN !== undefined && given.AWS_ACCESS_KEY_ID === undefined)
    found.push(
      'AWS_SESSION_TOKEN is set without the keys it goes with. Set AWS_ACCESS_KEY_ID too, or unset it.',
    );
  if (modeOf(given) !== 'production') return found;
  if (given.DARKROOM_FAILPOINTS !== undefined)
    found.push('DARKROOM_FAILPOINTS is set, but failpoints are refused in production. Unset it.');
  return found;
}

/** Whether others than this machine can reach the API, whom nothing would keep from signing links with a secret that can be derived. */
function isReachable({ API_HOST, PUBLIC_URL }: Record<string, string>): boolean {
  const hosts = [API_HOST, PUBLIC_URL && URL.canParse(PUBLIC_URL) ? new URL(PUBLIC_URL).hostname : undefined];
  return hosts.some((host) => host !== undefined && !isLoopback(host));
}

const isLoopback = (host: string): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host) || host.endsWith('.localhost');

function modeOf(env: {
  DARKROOM_MODE?: string | undefined;
  NODE_ENV?: string | undefined;
}): 'development' | 'production' {
  return (env.DARKROOM_MODE ?? env.NODE_ENV) === 'production' ? 'production' : 'development';
}

function unknownNames(names: readonly string[]): string[] {
  const known = Object.keys(environment.shape).filter((name) => name.startsWith('DARKROOM_'));
  return names
    .filter((name) => name.startsWith('DARKROOM_') && !known.includes(name))
    .map((name) => `${name} is not known. Did you mean ${nearest(name, known)}?`);
}

function nearest(name: string, known: readonly string[]): string {
  const byDistance = known.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  return byDistance.reduce((best, next) => (next.distance < best.distance ? next : best)).candidate;
}

/** Levenshtein's distance: insertions, deletions and replacements between two names. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** A port, and whether it must be that one. */
export interface PortWish {
  readonly port: number;
  readonly fixed: boolean;
}

const wishOf = (asked: number | undefined, usual: number): PortWish => ({
  port: asked ?? usual,
  fixed: asked !== undefined,
});

const repository = fileURLToPath(new URL('../../../', import.meta.url));

function configOf(env: Environment) {
  const home = resolve(repository, env.DARKROOM_HOME);
  const logDir = env.LOG_DIR ?? join(home, 'logs');
  const cores = availableParallelism();
  const lanes = env.RECOGNITION_LANES ?? Math.min(4, cores);
  return {
    mode: modeOf(env),
    /** Folder of everything generated, absolute. */
    home,
    /** Task queues a worker serves. */
    queues: env.DARKROOM_QUEUES ?? Object.values(queues),
    api: {
      host: env.API_HOST,
      port: env.API_PORT,
      /** Without a closing slash. */
      publicUrl: (env.PUBLIC_URL ?? `http://localhost:${env.API_PORT}`).replace(/\/+$/, ''),
      /** From when it says that it is not ready until it takes in nothing more. */
      drainSeconds: env.API_DRAIN_SECONDS ?? (modeOf(env) === 'production' ? 5 : 0),
      /** Of pages elsewhere that may use the API; `*` is all. */
      origins: env.CORS_ORIGINS ?? [],
    },
    links: {
      secret: env.LINK_SECRET ?? developmentSecret(env.DATABASE_URL),
      ttlSeconds: env.LINK_TTL_SECONDS,
    },
    grants: env.DARKROOM_GRANTS ?? [],
    /** Directories that results may be delivered to, without a closing slash. */
    deliveryDirectories: env.DELIVERY_DIRECTORIES ?? [],
    database: { url: env.DATABASE_URL, pool: env.DATABASE_POOL },
    s3: {
      endpoint: env.S3_ENDPOINT,
      publicEndpoint: env.S3_PUBLIC_ENDPOINT ?? env.S3_ENDPOINT,
      /** Undefined: that of the profile. */
      region: env.S3_REGION ?? env.AWS_REGION ?? (env.AWS_PROFILE === undefined ? 'us-east-1' : undefined),
      bucket: env.S3_BUCKET,
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
      sessionToken: env.AWS_SESSION_TOKEN,
      forcePathStyle: env.S3_FORCE_PATH_STYLE ?? env.S3_ENDPOINT !== undefined,
    },
    temporal: {
      address: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
      standaloneActivities: env.TEMPORAL_STANDALONE_ACTIVITIES === 'auto',
      uiUrl: env.TEMPORAL_UI_URL.replace(/\/+$/, ''),
    },
    limits: {
      uploadBytes: env.LIMIT_UPLOAD_BYTES,
      photoPixels: env.LIMIT_PHOTO_PIXELS,
      photoFrames: env.LIMIT_PHOTO_FRAMES,
      photosPerTask: env.LIMIT_PHOTOS_PER_TASK,
      videoBytes: env.LIMIT_VIDEO_BYTES,
      videoSeconds: env.LIMIT_VIDEO_SECONDS,
      videoPixels: env.LIMIT_VIDEO_PIXELS,
      videoScenes: env.LIMIT_VIDEO_SCENES,
      planRows: env.LIMIT_PLAN_ROWS,
      planRowBytes: env.LIMIT_PLAN_ROW_BYTES,
      planBytes: env.LIMIT_PLAN_BYTES,
      modelBytes: env.LIMIT_MODEL_BYTES,
      archiveBytes: env.LIMIT_ARCHIVE_BYTES,
      archiveUnpackedBytes: env.LIMIT_ARCHIVE_UNPACKED_BYTES,
      archiveRatio: env.LIMIT_ARCHIVE_RATIO,
      /** Of what a job is measured in, by `kind.feature`, where that is not left to the kind. */
      jobs: env.JOB_LIMITS ?? {},
      jsonBytes: env.LIMIT_JSON_BYTES,
      pageSize: env.LIMIT_PAGE_SIZE,
      logBytes: env.LIMIT_LOG_BYTES,
    },
    /** Of one key, or one address. */
    quotas: {
      requestsPerSecond: env.LIMIT_REQUESTS_PER_SECOND,
      requestBurst: env.LIMIT_REQUEST_BURST,
      openRequests: env.LIMIT_OPEN_REQUESTS,
      workingRequests: env.LIMIT_WORKING_REQUESTS,
      uploadingRequests: env.LIMIT_UPLOADING_REQUESTS,
      eventStreams: env.LIMIT_EVENT_STREAMS,
      archives: env.LIMIT_ARCHIVES,
      openUploads: env.LIMIT_OPEN_UPLOADS,
    },
    predictions: {
      modelPath: env.MODEL_PATH,
      /** Of one picture. */
      bytes: env.LIMIT_PREDICTION_BYTES,
      /** Of a request of the Open Inference Protocol. */
      inferenceBytes: env.LIMIT_INFERENCE_BYTES,
      /** Of the JSON of such a request, and of its answer. */
      inferenceJsonBytes: env.LIMIT_INFERENCE_JSON_BYTES,
      inferenceOutputBytes: env.LIMIT_INFERENCE_OUTPUT_BYTES,
      /** Of one key. */
      perSecond: env.LIMIT_PREDICTIONS_PER_SECOND,
      burst: env.LIMIT_PREDICTION_BURST,
      deadlineSeconds: env.PREDICTION_DEADLINE_SECONDS,
      queue: env.PREDICTION_QUEUE,
      memoryBytes: env.PREDICTION_MEMORY_BYTES,
      batch: {
        items: env.PREDICTION_BATCH,
        bytes: 8_000_000,
        waitMs: env.PREDICTION_BATCH_WAIT_MS,
        /** Half of the time that somebody waits: the other half is for the one before it. */
        mostMs: 500 * env.PREDICTION_DEADLINE_SECONDS,
      },
      /** Of the processes of batches. */
      /** In all. */
      batchNice: Math.min(19, env.LANE_NICE + env.BATCH_NICE),
      keyHours: env.PREDICTION_KEY_HOURS,
      /** Undefined: kept until deleted. */
      retentionDays: env.RETENTION_PREDICTION_DAYS,
    },
    cutouts: {
      deadlineSeconds: env.CUTOUT_DEADLINE_SECONDS,
      /** Under way in one API process. */
      queue: env.CUTOUT_QUEUE,
      keptSeconds: 60 * env.CUTOUT_KEPT_MINUTES,
      /** Of all bands and planes of one cutout together. */
      pixels: env.LIMIT_CUTOUT_PIXELS,
      /** Of one file. */
      bytes: env.LIMIT_CUTOUT_BYTES,
      cacheBytes: env.CUTOUT_CACHE_BYTES,
      /** Of all that are under way in one worker. */
      memoryBytes: env.CUTOUT_MEMORY_BYTES,
      /** Of pixels read ahead in one worker of jobs. */
      aheadBytes: env.CUTOUT_AHEAD_BYTES,
      /** Of threads that decode tiles for jobs. */
      batchNice: env.BATCH_NICE,
      requestDays: env.RETENTION_CUTOUT_REQUEST_DAYS,
    },
    client: { idleSeconds: env.CLIENT_IDLE_SECONDS, trustedProxies: env.API_TRUSTED_PROXIES },
    recognition: {
      modelPath: env.RECOGNITION_MODEL_PATH ?? env.MODEL_PATH,
      /** Whether that is the path of predictions, where a classifier may lie: the default detector recognises then. */
      sharedPath: env.RECOGNITION_MODEL_PATH === undefined && env.MODEL_PATH !== undefined,
      modelsDir: resolve(env.DARKROOM_MODELS ?? join(home, 'models')),
      device: env.RECOGNITION_DEVICE,
      lanes,
      /** Of all versions, of jobs and of predictions each; no less than `lanes`. */
      lanesTogether: Math.max(lanes, env.RECOGNITION_LANES_TOGETHER ?? 2 * lanes),
      /** Of one inference, at least 1. */
      threads: env.RECOGNITION_THREADS || Math.max(1, Math.floor(cores / lanes)),
      /** Of one lane. */
      memoryBytes: env.RECOGNITION_MEMORY_BYTES,
      /** Of one picture. */
      seconds: env.RECOGNITION_SECONDS,
    },
    modelCache: { dir: join(home, 'model-cache'), bytes: env.MODEL_CACHE_BYTES },
    media: {
      processes: env.DECODER_PROCESSES,
      keptProcesses: env.DECODER_PROCESSES_KEPT,
      memoryBytes: env.DECODER_MEMORY_BYTES,
      stallSeconds: env.DECODER_STALL_SECONDS,
      candidateBytes: env.CANDIDATE_BYTES,
    },
    sky: { surveysDir: resolve(env.SURVEYS_PATH ?? join(home, 'surveys')) },
    lane: {
      sandbox: env.SANDBOX,
      nice: env.LANE_NICE,
      /** Where compiled code of lanes is kept. */
      codeFolder: join(home, 'compiled'),
    },
    program: {
      dir: resolve(env.PROGRAM_DIR ?? join(home, 'programs')),
      orphanSeconds: env.PROGRAM_ORPHAN_SECONDS,
    },
    worker: {
      maxActivities: env.WORKER_MAX_ACTIVITIES,
      /** By queue, where it is not to be the queue's own number. */
      slots: (env.WORKER_SLOTS ?? {}) as Record<string, number>,
      /** By queue, where it is not to be the usual. */
      pageSeconds: (env.PAGE_SECONDS ?? {}) as Record<string, number>,
      metricsPort: wishOf(env.WORKER_METRICS_PORT, 9464),
      sdkMetricsPort: wishOf(env.WORKER_SDK_METRICS_PORT, 9465),
    },
    items: {
      heartbeatSeconds: env.HEARTBEAT_TIMEOUT_SECONDS,
      attempts: env.ITEM_ATTEMPTS,
      outageHours: env.OUTAGE_HOURS,
    },
    retention: {
      /** By kind; infinite: kept until deleted. */
      days: { ...analysisDays(env.RETENTION_ANALYSIS_DAYS), ...env.RETENTION_DAYS } as Record<string, number>,
      /** How long the key of a deleted job tells of the deletion. */
      deletedKeyHours: env.IDEMPOTENCY_KEY_HOURS,
    },
    sweep: {
      intervalSeconds: env.SWEEP_INTERVAL_SECONDS,
      receivingTimeoutMinutes: env.RECEIVING_TIMEOUT_MINUTES,
    },
    log: { level: env.LOG_LEVEL, dir: logDir, access: env.ACCESS_LOG ?? join(logDir, 'output.log') },
    /** Undefined: traces are not exported. */
    telemetry: { endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT },
  };
}

/** What was the one setting before each kind had its own. */
const analysisDays = (days: number | undefined) => days !== undefined && { photo: days, video: days };

/** The same at every start and in every process of a stack, so that links outlive a restart. */
function developmentSecret(databaseUrl: string): string {
  return createHash('sha256').update(`darkroom links of ${databaseUrl}`).digest('hex');
}
