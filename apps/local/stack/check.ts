import { ConfigError, loadConfig } from '@darkroom/platform';
import { isMigrated } from '@darkroom/records';
import type { Stack } from '../home/stackfile.ts';
import { SetupError } from '../terminal.ts';
import type { Plan } from './plan.ts';
import { hasBucket } from './samples.ts';

/**
 * What can be wrong before anything runs: the configuration, and a database or a store of the person's own, in which nothing is made
 * unasked (`prepare`).
 * @throws SetupError
 */
export async function check(
  { env, s3 }: Plan,
  stack: Stack,
  environment: Readonly<Record<string, string>>,
  prepare: boolean,
): Promise<void> {
  try {
    loadConfig(environment);
  } catch (error) {
    throw error instanceof ConfigError ? new SetupError(error.message) : error;
  }
  if (prepare) return;
  if (env.DATABASE_URL && !(await asked('The database of DATABASE_URL', isMigrated(env.DATABASE_URL))))
    throw new SetupError(
      'The database of DATABASE_URL lacks tables of this version. Apply the migrations with `node activities/records/migrate.ts`, ' +
        'or start with --prepare, which also makes a first key of role admin there.',
    );
  if (s3.kind === 'address' && !(await asked('The store of S3_ENDPOINT', hasBucket(stack.s3))))
    throw new SetupError(
      `The store of S3_ENDPOINT has no bucket "${stack.s3.bucket}". Make it there, name another with S3_BUCKET, or start with ` +
        '--prepare, which makes it and one with the samples.',
    );
}

async function asked(what: string, answer: Promise<boolean>): Promise<boolean> {
  try {
    return await answer;
  } catch (error) {
    throw new SetupError(`${what} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}
