/** Two API processes and two workers that cut, each started again whenever it has died, over a survey of a few tiles. */
import { join } from 'node:path';
import { loadConfig } from '@darkroom/platform';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { cutoutPrefix } from '@darkroom/sky/realtime/records/files.ts';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { smallSurvey, smallTile } from '@darkroom/sky/survey/testing.ts';
import { createStorage, type Storage } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { cutoutUpkeep } from '@darkroom/worker/cutouts.ts';
import type { TestProcess } from '../../harness/process.ts';
import { startTestStack, type TestStack } from '../../harness/stack.ts';
import { failpoints, readJournal } from '../platform.ts';
import { type Kept, keep } from './kept.ts';

const [ra, dec] = [10, 20];
const scale = 1 / 3600;
/** Longer than a worker that dies is missed, and another one started, on a slow machine. */
const deadlineSeconds = '30';

export type Api = TestProcess & { readonly url: string };

export interface House {
  readonly stack: TestStack;
  readonly records: Records;
  readonly storage: Storage;
  readonly key: string;
  /** Those that are asked; one that is told to stop is taken out before. */
  readonly apis: Api[];
  readonly workers: readonly Kept[];
  /** Queries of cutouts that are unlike each other. */
  readonly queries: readonly string[];
  /** How often a worker came to that point. */
  reached(point: string): Promise<number>;
  startApi(changes?: Record<string, string>): Promise<Api>;
  /** Rows that are being made, and requests that run. */
  unfinished(): Promise<{ files: number; requests: number }>;
  /** What the sweep does some hours later; keys of cutouts that are left. */
  sweepLater(): Promise<string[]>;
  close(): Promise<void>;
}

export async function openHouse(): Promise<House> {
  const stack = await startTestStack('cutout faults', {
    CUTOUT_DEADLINE_SECONDS: deadlineSeconds,
    // Each is made anew, but for those who ask at the same time.
    CUTOUT_KEPT_MINUTES: '0',
    API_DRAIN_SECONDS: '0',
  });
  const { postgres } = stack.stack;
  await migrate(postgres);
  const records = openRecords({ url: postgres, application: 'cutouts under fault' });
  const config = loadConfig(stack.env());
  const storage = createStorage(config.s3);
  const root = `s3://${storage.bucket}/tiles/`;
  await storage.putBytes(`${root}t1.fits`, Buffer.from(smallTile([ra, dec], { pixels: 300, scale })), {
    contentType: 'application/fits',
  });
  await indexSurvey({ ...smallSurvey, root }, { db: records.db, store: storage, verify: true });
  const { key } = await createKey(records.db, { owner: 'ada', group: null, role: 'user', priority: 3 });
  const journal = join(stack.home, 'failpoints');
  // Times are of all workers together.
  const points = {
    'cutout.before-put': { kill: 0.06, times: 2 },
    'cutout.before-record': { kill: 0.06, times: 2 },
  };
  const startWorker = (queues: string, changes: Record<string, string> = {}): Promise<TestProcess> =>
    stack.startWorker({ DARKROOM_QUEUES: queues, ...changes });
  const mortal = (): Promise<TestProcess> =>
    startWorker('sky-realtime', failpoints({ seed: 11, journal, points }));
  const [one, other, ...workers] = await Promise.all([
    stack.startApi(),
    stack.startApi(),
    keep(mortal),
    keep(mortal),
    startWorker('light').then(() => undefined),
  ]);
  return {
    stack,
    records,
    storage,
    key,
    apis: [one, other],
    workers: workers.flatMap((worker) => worker ?? []),
    queries: Array.from({ length: 24 }, (_, i) =>
      new URLSearchParams({
        survey: 'small',
        ra: String(ra + ((i % 6) - 3) * 10 * scale),
        dec: String(dec + (Math.floor(i / 6) - 2) * 10 * scale),
        size: `${20 + i}px`,
        ...(i % 4 === 3 && { format: 'png' }),
      }).toString(),
    ),
    reached: async (point) => (await readJournal(journal)).filter((act) => act.point === point).length,
    startApi: (changes) => stack.startApi(changes),
    async unfinished() {
      const [row] = await records.sql<{ files: number; requests: number }>`
        select (select count(*)::int from cutout_files where state = 'making') as files,
          (select count(*)::int from cutouts where state = 'running') as requests`;
      return row!;
    },
    async sweepLater() {
      await records.sql`update cutouts set accepted_at = accepted_at - interval '3 hours'`;
      await records.sql`update cutout_files set expires_at = expires_at - interval '3 hours'`;
      const late: Pick<Storage, 'list' | 'remove' | 'openUploads' | 'abortDirectUpload'> = {
        remove: (...args) => storage.remove(...args),
        openUploads: storage.openUploads,
        abortDirectUpload: storage.abortDirectUpload,
        async *list(...args) {
          for await (const { lastModified, ...info } of storage.list(...args))
            yield { ...info, lastModified: new Date(lastModified.getTime() - 3 * 3_600_000) };
          return undefined;
        },
      };
      await cutoutUpkeep({ records, config, storage: late }).run(new AbortController().signal);
      return keysUnder(storage, cutoutPrefix);
    },
    async close() {
      await Promise.all(workers.map((worker) => worker?.stop()));
      storage.close();
      await records.close();
      await stack.close();
    },
  };
}
