/** What the tests of this package begin with: what activities are given, over a database of their own and, where they need it, an S3. */
import { assumedOf, Estimates } from '@darkroom/estimates';
import { createLogger, loadConfig } from '@darkroom/platform';
import { createStorage, type Storage } from '@darkroom/storage';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import { startRecords, type TestRecords, toy } from '../records/testing.ts';
import type { FrameDeps } from './attempt/attempt.ts';

export interface DepsGiven extends Partial<Pick<FrameDeps, 'storage' | 'kinds'>> {
  /** Added to the configuration. */
  readonly env?: Readonly<Record<string, string>>;
}

/** With the toy kind and a store that nobody may ask for anything, unless others are given. */
export const depsOver = ({ records, url }: TestRecords, { env, ...given }: DepsGiven = {}): FrameDeps => {
  const { kinds = { toy } } = given;
  const logger = createLogger({ service: 'test', level: 'fatal' });
  return {
    records,
    storage: {} as Storage,
    config: loadConfig({ DATABASE_URL: url, ...env }),
    logger,
    worker: 'test',
    kinds,
    estimates: new Estimates({ records, logger, assumed: assumedOf(kinds) }),
    ...given,
  };
};

export interface TestFrame {
  readonly records: TestRecords;
  readonly s3: TestS3;
  readonly storage: Storage;
  readonly deps: FrameDeps;
  close(): Promise<void>;
}

/** A real Postgres and a real S3. */
export async function startFrame(env: Readonly<Record<string, string>> = {}): Promise<TestFrame> {
  const [records, s3] = await Promise.all([startRecords(), startS3()]);
  const storage = createStorage({ ...s3, forcePathStyle: true });
  return {
    records,
    s3,
    storage,
    deps: depsOver(records, { storage, env: { S3_ENDPOINT: s3.endpoint, ...env } }),
    async close() {
      storage.close();
      await Promise.all([records.close(), s3.stop()]);
    },
  };
}
