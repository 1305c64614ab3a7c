/** The stack that makes cutouts as jobs: a survey in its store, an API, a worker for what somebody waits for, and one for jobs. */
import { Agent } from 'node:http';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { indexSurvey } from '@darkroom/sky/survey/indexing/index.ts';
import { createStorage } from '@darkroom/storage';
import type { TestProcess } from '../../harness/process.ts';
import type { TestStack } from '../../harness/stack.ts';
import { type Answer, ask as askOnce } from '../cutouts/platform.ts';
import { say } from '../measure/report.ts';
import { startBenchStack } from '../measure/stack.ts';
import type { Client } from '../photo/client.ts';
import { definitionOf, putTiles, type SkySpec, surveyName } from './sky.ts';

export interface House {
  readonly stack: TestStack;
  readonly records: Records;
  readonly api: TestProcess & { url: string };
  /** Of requests for single cutouts, and of workflows. */
  readonly realtime: TestProcess;
  /** Of cutouts as jobs, of one tile and of several. */
  readonly worker: TestProcess;
  /** A user of the API with a key of their own. */
  clientOf(owner: string): Promise<Client>;
  /** Asks for a single cutout. */
  ask(client: Client, query: Readonly<Record<string, string>>): Promise<Answer>;
  close(): Promise<void>;
}

/** Queues of each worker, as two machines would serve them. */
const queues = { realtime: 'light,sky-realtime', worker: 'sky,sky-mosaic' };

/** Brings it up. `made` is told of each tile that has to be made first. */
export async function openHouse(sky: SkySpec, made: (path: string) => void): Promise<House> {
  const stack = await startBenchStack('bench-cutout-jobs', { LOG_LEVEL: 'info' });
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const records = openRecords({ url: stack.stack.postgres, pool: 2, application: 'darkroom-bench' });
  const close = async (): Promise<void> => {
    agent.destroy();
    await records.close();
    await stack.close();
  };
  try {
    await migrate(stack.stack.postgres);
    await putSurvey(stack, records, sky, made);
    const [api, realtime, worker] = await Promise.all([
      stack.startApi(),
      stack.startWorker({ DARKROOM_QUEUES: queues.realtime }),
      stack.startWorker({ DARKROOM_QUEUES: queues.worker }),
    ]);
    return {
      stack,
      records,
      api,
      realtime,
      worker,
      async clientOf(owner) {
        const { key } = await createKey(records.db, { owner, role: 'user', priority: 3 });
        return { url: api.url, key };
      },
      ask: ({ url, key }, query) =>
        askOnce(
          `${url}/v1/cutouts?${new URLSearchParams({ survey: surveyName, ...query })}`,
          { authorization: `Bearer ${key}` },
          agent,
        ),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function putSurvey(
  { stack }: TestStack,
  { db }: Records,
  sky: SkySpec,
  made: (path: string) => void,
): Promise<void> {
  const storage = createStorage({ ...stack.s3, forcePathStyle: true });
  const root = `s3://${storage.bucket}/${surveyName}/`;
  try {
    await putTiles(sky, made, (name, bytes) =>
      storage.putBytes(`${root}${name}`, bytes, { contentType: 'application/fits' }),
    );
    const { tiles, files } = await indexSurvey(definitionOf(root, sky), { db, store: storage });
    say(`survey of ${tiles} tiles, ${files} files`);
  } finally {
    storage.close();
  }
}
