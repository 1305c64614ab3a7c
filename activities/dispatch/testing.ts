/** What the tests of this package begin with: a dispatch over a real Postgres and S3, and an engine that notes what it is told. */
import {
  type JobStart,
  type KindDefinition,
  type Longest,
  ProblemError,
  photoKind,
} from '@darkroom/contract';
import { createLogger, loadConfig } from '@darkroom/platform';
import { type Caller, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { freshDatabase, startPostgres } from '../../test/harness/postgres.ts';
import { startS3 } from '../../test/harness/s3.ts';
import type { Engine, RunState, RunView } from './engine/engine.ts';
import { createDispatch, type Dispatch, fingerprintOf } from './index.ts';

/** An engine that notes what it is told, and is away when told so. */
export class NotedEngine implements Engine {
  readonly units: Engine['units'] = {
    start: async () => {},
    describe: async () => 'absent',
    cancel: async () => {},
  };
  away = false;
  /** Milliseconds that a start takes. */
  slow = 0;
  readonly started: { jobId: string; run: number; priority: unknown }[] = [];
  /** How many items each start told of. */
  readonly told: number[] = [];
  readonly cancelled: string[] = [];
  readonly removals: { jobId: string; longest: Longest | undefined }[] = [];
  readonly runs = new Map<string, RunState>();
  /** Jobs whose run it cannot describe. */
  readonly broken = new Set<string>();
  /** The queues in which activities of a job wait. */
  readonly waits = new Map<string, string[]>();
  readonly served = new Set<string>();

  #ask(): void {
    if (this.away) throw new ProblemError('engine_unavailable', 'away');
  }
  async start(start: JobStart, how: { priority: unknown }): Promise<void> {
    this.#ask();
    if (this.slow > 0) await new Promise((resolve) => setTimeout(resolve, this.slow));
    this.started.push({ jobId: start.jobId, run: start.run, priority: how.priority });
    this.told.push(start.items);
    this.runs.set(start.jobId, 'running');
  }
  async cancel(jobId: string): Promise<void> {
    this.#ask();
    this.cancelled.push(jobId);
  }
  async describe(jobId: string): Promise<RunView> {
    this.#ask();
    if (this.broken.has(jobId)) throw new Error('The engine cannot tell.');
    return { state: this.runs.get(jobId) ?? 'absent', waitsIn: this.waits.get(jobId) ?? [] };
  }
  async isServed(queue: string): Promise<boolean> {
    this.#ask();
    return this.served.has(queue);
  }
  async startRemoval(jobId: string, longest?: Longest): Promise<void> {
    this.#ask();
    this.removals.push({ jobId, longest });
  }
  async ping(): Promise<number> {
    this.#ask();
    return 1;
  }
  async ensure(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Its first stage counts no items, and it takes hours. */
const survey: KindDefinition = {
  ...photoKind,
  kind: 'survey',
  stages: [
    { name: 'measure', unit: 'tiles', weight: 1 },
    { name: 'cut', unit: 'photos', weight: 1, itemsOf: 'recognise' },
    { name: 'recognise', unit: 'photos', weight: 1, itemsOf: 'recognise' },
  ],
  longest: '3 hours',
};
const testKinds: Readonly<Record<string, KindDefinition>> = { photo: photoKind, survey };
export const ada: Caller = { owner: 'ada', group: null, role: 'user', priority: 2 };

/** A photo to be submitted. */
export const submission = (input: Record<string, unknown> = {}) => ({
  input: { scoreThreshold: 0.4, ...input },
  fingerprint: fingerprintOf(input),
  stage: 'recognise',
  items: [
    { key: '1', input: { uri: 's3://darkroom-test/uploads/a.jpg', etag: 'e', bytes: 1, filename: 'a.jpg' } },
  ],
});

/** A job of a photo that the engine was told of, if it was there; its id. */
export async function submitTo(dispatch: Dispatch): Promise<string> {
  const { jobId } = await dispatch.submit('photo', ada, submission());
  await dispatch.settled();
  return jobId;
}

export interface TestDispatch {
  readonly records: Records;
  readonly storage: Storage;
  /** A dispatch of a process that has just started; `env` is added to its configuration. */
  over(
    engine: Engine,
    options?: { readonly env?: Record<string, string>; readonly kinds?: Record<string, KindDefinition> },
  ): Dispatch;
  /** Lets a job's row look as if nothing had happened to it for an hour. */
  age(id: string): Promise<unknown>;
  close(): Promise<void>;
}

export async function startTestDispatch(): Promise<TestDispatch> {
  const [postgres, s3] = await Promise.all([startPostgres(), startS3()]);
  const records = openRecords({ url: await freshDatabase(postgres.url) });
  const storage = createStorage({ ...s3, forcePathStyle: true });
  return {
    records,
    storage,
    over(engine, { env = {}, kinds = testKinds } = {}) {
      const config = loadConfig({ DATABASE_URL: postgres.url, S3_ENDPOINT: s3.endpoint, ...env });
      const logger = createLogger({ service: 'test', level: 'fatal' });
      return createDispatch({ records, storage, config, logger, engine, kinds });
    },
    age: (id) => records.sql`update jobs set updated_at = now() - interval '1 hour' where id = ${id}`,
    async close() {
      await records.close();
      storage.close();
      await Promise.all([postgres.stop(), s3.stop()]);
    },
  };
}
