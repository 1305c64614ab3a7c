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
  if (modeOf(given) !== 'production') return found;
  if (given.LINK_SECRET === undefined)
    found.push(wrongValue('LINK_SECRET', undefined, [], 'it has no default in production'));
  if (given.DARKROOM_FAILPOINTS !== undefined)
    found.push('DARKROOM_FAILPOINTS is set, but failpoints are refused in production. Unset it.');
  return found;
}

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

const repository = fileURLToPath(new URL('../../', import.meta.url));

function configOf(env: Environment) {
  const home = resolve(repository, env.DARKROOM_HOME);
  const logDir = env.LOG_DIR ?? join(home, 'logs');
  const lanes = env.RECOGNITION_LANES;
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
    },
    links: {
      secret: env.LINK_SECRET ?? developmentSecret(env.DATABASE_URL),
      ttlSeconds: env.LINK_TTL_SECONDS,
    },
    grants: env.DARKROOM_GRANTS ?? [],
    database: { url: env.DATABASE_URL, pool: env.DATABASE_POOL },
    s3: {
      endpoint: env.S3_ENDPOINT,
      publicEndpoint: env.S3_PUBLIC_ENDPOINT ?? env.S3_ENDPOINT,
      region: env.S3_REGION,
      bucket: env.S3_BUCKET,
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
      forcePathStyle: env.S3_FORCE_PATH_STYLE ?? env.S3_ENDPOINT !== undefined,
    },
    temporal: {
      address: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
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
      jsonBytes: env.LIMIT_JSON_BYTES,
      pageSize: env.LIMIT_PAGE_SIZE,
      logBytes: env.LIMIT_LOG_BYTES,
    },
    recognition: {
      modelPath: env.MODEL_PATH,
      modelsDir: resolve(env.DARKROOM_MODELS ?? join(home, 'models')),
      device: env.RECOGNITION_DEVICE,
      lanes,
      /** Of one inference, at least 1. */
      threads: env.RECOGNITION_THREADS || Math.max(1, Math.floor(availableParallelism() / lanes)),
    },
    media: {
      processes: env.DECODER_PROCESSES,
      memoryBytes: env.DECODER_MEMORY_BYTES,
      stallSeconds: env.DECODER_STALL_SECONDS,
      candidateBytes: env.CANDIDATE_BYTES,
    },
    worker: {
      maxActivities: env.WORKER_MAX_ACTIVITIES,
      metricsPort: env.WORKER_METRICS_PORT,
      sdkMetricsPort: env.WORKER_SDK_METRICS_PORT,
    },
    items: {
      heartbeatSeconds: env.HEARTBEAT_TIMEOUT_SECONDS,
      attempts: env.ITEM_ATTEMPTS,
      outageHours: env.OUTAGE_HOURS,
    },
    /** Undefined: kept until deleted. */
    retention: { analysisDays: env.RETENTION_ANALYSIS_DAYS },
    sweep: {
      intervalSeconds: env.SWEEP_INTERVAL_SECONDS,
      receivingTimeoutMinutes: env.RECEIVING_TIMEOUT_MINUTES,
    },
    log: { level: env.LOG_LEVEL, dir: logDir, access: env.ACCESS_LOG ?? join(logDir, 'output.log') },
    /** Undefined: traces are not exported. */
    telemetry: { endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT },
  };
}

/** The same at every start and in every process of a stack, so that links outlive a restart. */
function developmentSecret(databaseUrl: string): string {
  return createHash('sha256').update(`darkroom links of ${databaseUrl}`).digest('hex');
}
