import { join } from 'node:path';
import { serviceVariable, stackVariable } from '../home/orphans.ts';
import type { Stack } from '../home/stackfile.ts';
import type { Plan } from './plan.ts';
import { sampleBucket } from './samples.ts';

/** What a server needs of this process' environment; nothing of ours may change how it behaves. */
const passedOn = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];

/** The environment of a server of the stack: little, and the mark that tells whose it is. */
export function serverEnvironment(
  stack: string,
  service: string,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const kept = passedOn.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return { ...Object.fromEntries(kept), [stackVariable]: stack, [serviceVariable]: service };
}

/** Keys, certificates and profiles of somebody's Temporal elsewhere, with which nobody reaches the embedded one. */
const isOfTemporalAccount = (name: string): boolean =>
  /^TEMPORAL_(API_KEY|TLS|PROFILE|CONFIG_FILE|CODEC|GRPC_META)/.test(name);

/** Of the environment of a worker, and of the API: what keeps them small beside what they work on. */
export const workerMemory = {
  // By default glibc gives each of a process' many threads a heap of its own, and keeps what was large and is free for the next.
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '4194304',
  // V8 would set 100 MB aside for what lives shortly.
  NODE_OPTIONS: '--max-semi-space-size=8',
};

/**
 * The environment that makes the API, the worker and the other commands use this stack. What the person set
 * themselves (a model, a limit, an OTLP endpoint) is kept, except where the stack has its own address or key.
 */
export function childEnvironment(
  stack: Stack,
  { layout, secrets, ports, temporal, s3, env }: Plan,
): Record<string, string> {
  const own = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  const given =
    temporal.kind === 'address' ? own : own.filter(([name]) => !isOfTemporalAccount(String(name)));
  const defaults = {
    API_HOST: '127.0.0.1',
    PUBLIC_URL: stack.api,
    LOG_DIR: layout.logs,
    DARKROOM_GRANTS: JSON.stringify([{ everyone: true, prefix: `s3://${sampleBucket}/`, access: 'read' }]),
  };
  return {
    ...defaults,
    ...Object.fromEntries(given),
    DATABASE_URL: stack.postgres,
    TEMPORAL_ADDRESS: stack.temporal.address,
    TEMPORAL_NAMESPACE: stack.temporal.namespace,
    TEMPORAL_UI_URL: stack.temporal.ui,
    S3_ENDPOINT: stack.s3.endpoint,
    S3_BUCKET: stack.s3.bucket,
    ...(stack.s3.region ? { S3_REGION: stack.s3.region } : {}),
    ...(stack.s3.accessKeyId ? { AWS_ACCESS_KEY_ID: stack.s3.accessKeyId } : {}),
    ...(stack.s3.secretAccessKey ? { AWS_SECRET_ACCESS_KEY: stack.s3.secretAccessKey } : {}),
    // Those of somebody's AWS account do not go with the embedded server's keys.
    ...(s3.kind === 'address' ? {} : { AWS_SESSION_TOKEN: '', AWS_PROFILE: '' }),
    ...(temporal.kind === 'address' ? {} : { TEMPORAL_CONFIG_FILE: join(layout.data, 'no-temporal.toml') }),
    API_PORT: String(ports.api),
    WORKER_METRICS_PORT: String(ports.metrics),
    WORKER_SDK_METRICS_PORT: String(ports.sdkMetrics),
    LINK_SECRET: env.LINK_SECRET || secrets.linkSecret,
    [stackVariable]: secrets.stack,
    DARKROOM_HOME: layout.home,
    DARKROOM_MODELS: layout.models,
  };
}
