import { existsSync } from 'node:fs';
import type { Layout } from './layout.ts';
import { choosePorts, type PortName, type Ports } from './ports.ts';
import { postgresUrl } from './postgres.ts';
import { s3Region } from './s3.ts';
import type { Secrets } from './secrets.ts';
import { readStack, type Stack } from './stackfile.ts';
import type { StackOptions } from './supervisor.ts';
import { findTool, type Origin, temporalTool, versitygwTool } from './toolchain.ts';

/** What the stack is made of, once it is known where each server comes from. */
export interface Plan {
  readonly layout: Layout;
  readonly secrets: Secrets;
  readonly ports: Ports;
  readonly temporal: Origin;
  readonly s3: Origin;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Finds out where each server comes from and chooses the ports of those that the stack runs itself.
 * @throws SetupError when a port is taken.
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
  const ports = await choosePorts(wanted, options.ports, env);
  return { layout, secrets, ports, temporal, s3, env };
}

/** Where everything will be; the key of an earlier start is kept. */
export async function describeStack(plan: Plan): Promise<Stack> {
  const { layout, secrets, ports, temporal, s3, env } = plan;
  const earlier = existsSync(layout.stackFile) ? await readStack(layout.stackFile) : undefined;
  return {
    api: `http://localhost:${ports.api}`,
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
      region: s3.kind === 'address' ? env.S3_REGION || env.AWS_REGION || s3Region : s3Region,
    },
    pids: { supervisor: process.pid },
  };
}
