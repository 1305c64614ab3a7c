/** How each process of a planned stack is run. */
import { join } from 'node:path';
import { embeddedPostgres } from '@darkroom/servers/run/postgres.ts';
import type { ProcessSpec } from '@darkroom/servers/run/processes.ts';
import { embeddedS3 } from '@darkroom/servers/run/s3.ts';
import { embeddedTemporal, writeAhead } from '@darkroom/servers/run/temporal.ts';
import { type Layout, repository } from '../home/layout.ts';
import { serverEnvironment, workerMemory } from './environment.ts';
import type { Plan } from './plan.ts';

/** The log of one process. */
export const logOf = (layout: Layout, name: string): string => join(layout.logs, `${name}.log`);

/** Makes the database's files if there are none. `say` is told where they lie, if not where one would look. */
export async function postgresSpec(plan: Plan, say: (line: string) => void): Promise<ProcessSpec> {
  const { layout, secrets, ports, env } = plan;
  return embeddedPostgres({
    folder: layout.postgres,
    port: ports.postgres,
    password: secrets.postgresPassword,
    logFile: logOf(layout, 'postgres'),
    env: serverEnvironment(secrets.stack, 'postgres', env),
    say,
  });
}

export function s3Spec({ layout, secrets, ports, env }: Plan, program: string): ProcessSpec {
  return embeddedS3({
    program,
    folder: layout.s3,
    port: ports.s3,
    accessKeyId: secrets.accessKeyId,
    secretAccessKey: secrets.secretAccessKey,
    logFile: logOf(layout, 's3'),
    env: serverEnvironment(secrets.stack, 's3', env),
  });
}

/** `file` is the database. */
export function temporalSpec(
  { layout, secrets, ports, synchronous, env }: Plan,
  program: string,
  file: string,
): ProcessSpec {
  return embeddedTemporal({
    program,
    file,
    pragmas: writeAhead(synchronous),
    namespace: env.TEMPORAL_NAMESPACE,
    port: ports.temporal,
    uiPort: ports.temporalUi,
    logFile: logOf(layout, 'temporal'),
    cwd: layout.data,
    env: serverEnvironment(secrets.stack, 'temporal', env),
  });
}

export function applicationSpec(
  { layout, secrets, env }: Plan,
  name: 'api' | 'worker',
  environment: Readonly<Record<string, string>>,
  probe: ProcessSpec['probe'],
): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args: [join(repository, 'apps', name, 'main.ts')],
    env: {
      ...workerMemory,
      ...environment,
      ...serverEnvironment(secrets.stack, name, env),
    },
    cwd: repository,
    logFile: logOf(layout, name),
    probe,
    stop: { signal: 'SIGTERM', graceMilliseconds: 20_000 },
  };
}
