import { existsSync } from 'node:fs';
import { temporalTool, versitygwTool } from '@darkroom/servers/obtain/pins.mjs';
import { findTool, type Origin } from '@darkroom/servers/obtain/toolchain.mjs';
import { choosePorts, type PortName, type Ports } from '@darkroom/servers/run/ports.ts';
import { postgresUrl } from '@darkroom/servers/run/postgres.ts';
import { s3Region } from '@darkroom/servers/run/s3.ts';
import { readSynchronous, type Synchronous } from '@darkroom/servers/run/temporal.ts';
import type { Layout } from '../home/layout.ts';
import type { Secrets } from '../home/secrets.ts';
import { readStack, type Stack } from '../home/stackfile.ts';
import type { StackOptions } from './supervisor.ts';

/** What the stack is made of, once it is known where each server comes from. */
export interface Plan {
  readonly layout: Layout;
  readonly secrets: Secrets;
  readonly ports: Ports;
  readonly temporal: Origin;
  readonly s3: Origin;
  /** When a commit of Temporal's database is acknowledged. */
  readonly synchronous: Synchronous;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Finds out where each server comes from and chooses the ports of those that the stack runs itself.
 * @throws SetupError when a port is taken or a variable has a value that it cannot have.
 */
export async function makePlan(options: StackOptions, layout: Layout, secrets: Secrets): Promise<Plan> {
  const env = options.env ?? process.env;
  const notice = (line: string) => options.terminal.say(line);
  const temporal = await findTool(temporalTool, layout.tools, env, notice);
  const s3 = await findTool(versitygwTool, layout.tools, env, notice);
  const wanted: PortName[] = [];
  if (temporal.kind !== 'address') wanted.push('temporal', 'temporalUi');
  if (s3.kind !== 'address') wanted.push('s3');
  if (!env.DATABASE_URL) wanted.push('postgres');
  if (options.parts === 'all') wanted.push('api', 'metrics', 'sdkMetrics');
  const synchronous = readSynchronous(env);
  const ports = await choosePorts(wanted, options.ports, env);
  return { layout, secrets, ports, temporal, s3, synchronous, env };
}

/** Under which name this machine reaches an API that listens on `address`: by loopback, unless it listens on another address alone. */
function hostOf(address: string | undefined): string {
  if (!address || ['0.0.0.0', '::', '::1', '127.0.0.1'].includes(address)) return 'localhost';
  return address.includes(':') ? `[${address}]` : address;
}

/** Where everything will be; the key of an earlier start is kept. */
export async function describeStack(plan: Plan): Promise<Stack> {
  const { layout, secrets, ports, temporal, s3, env } = plan;
  const earlier = existsSync(layout.stackFile) ? await readStack(layout.stackFile) : undefined;
  return {
    api: `http://${hostOf(env.API_HOST)}:${ports.api}`,
    ...(earlier?.key === undefined ? {} : { key: earlier.key }),
    postgres: env.DATABASE_URL || postgresUrl(ports.postgres, secrets.postgresPassword),
    temporal: {
      address: temporal.kind === 'address' ? temporal.address : `127.0.0.1:${ports.temporal}`,
      ui: env.TEMPORAL_UI_URL || `http://localhost:${ports.temporalUi}`,
      namespace: env.TEMPORAL_NAMESPACE || 'default',
    },
    s3: {
      endpoint: s3.kind === 'address' ? s3.address : `http://127.0.0.1:${ports.s3}`,
      accessKeyId: s3.kind === 'address' ? (env.AWS_ACCESS_KEY_ID ?? '') : secrets.accessKeyId,
      secretAccessKey: s3.kind === 'address' ? (env.AWS_SECRET_ACCESS_KEY ?? '') : secrets.secretAccessKey,
      bucket: env.S3_BUCKET || 'darkroom',
      region: s3.kind === 'address' ? regionOf(env) : s3Region,
    },
    pids: { supervisor: process.pid },
  };
}

/** The region of a store of the user's, as the API takes it; empty where a profile is to tell. */
const regionOf = (env: NodeJS.ProcessEnv): string =>
  env.S3_REGION || env.AWS_REGION || (env.AWS_PROFILE ? '' : s3Region);
