/** The stack that makes stamps: an API, a worker, and somebody with a catalogue. */
import { job as jobDocument } from '@darkroom/contract';
import { createKey, migrate, openRecords, type Records } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { sampleBucket } from '../../../apps/local/stack/samples.ts';
import type { TestProcess } from '../../harness/process.ts';
import type { TestStack } from '../../harness/stack.ts';
import type { StampsOptions } from '../../kinds/stamps/contract.ts';
import { prepareStamps } from '../../kinds/stamps/tables.ts';
import { startBenchStack } from '../measure/stack.ts';
import { ask, type Client } from '../photo/client.ts';

export interface House {
  readonly stack: TestStack;
  readonly records: Records;
  readonly storage: Storage;
  readonly api: TestProcess & { url: string };
  readonly worker: TestProcess;
  readonly client: Client;
  clientOf(owner: string): Promise<Client>;
  close(): Promise<void>;
}

/** Brings it up; the worker serves light steps and stamps. */
export async function openHouse(): Promise<House> {
  const stack = await startBenchStack('bench');
  const { postgres, s3 } = stack.stack;
  await migrate(postgres);
  const records = openRecords({ url: postgres, pool: 2, application: 'darkroom-bench' });
  await prepareStamps(records.db);
  const storage = createStorage({ ...s3, forcePathStyle: true });
  const [api, worker] = await Promise.all([
    stack.startApi({}, 'test/kinds/stamps/api-process.ts'),
    stack.startWorker({ LOG_LEVEL: 'info' }, 'test/kinds/stamps/worker-process.ts'),
  ]);
  const clientOf = async (owner: string): Promise<Client> => {
    const { key } = await createKey(records.db, { owner, group: null, role: 'user', priority: 3 });
    return { url: api.url, key };
  };
  return {
    stack,
    records,
    storage,
    api,
    worker,
    client: await clientOf('many'),
    clientOf,
    async close() {
      await records.close();
      storage.close();
      await stack.close();
    },
  };
}

/** Puts a catalogue of so many positions over twenty tiles where jobs may read it; its URI. */
export async function putCatalogue({ storage }: House, rows: number): Promise<string> {
  const lines = ['name,x,y'];
  for (let n = 1; n <= rows; n++) lines.push(`p${n},${(n * 7919) % 40_000},${(n * 104_729) % 50_000}`);
  const uri = `s3://${sampleBucket}/bench/positions-${rows}.csv`;
  await storage.putBytes(uri, Buffer.from(`${lines.join('\n')}\n`), { contentType: 'text/csv' });
  return uri;
}

/** Submits stamps of a catalogue. `acceptedMs`: until the submit was answered. */
export async function submitStamps(
  client: Client,
  catalogue: string,
  options: Partial<StampsOptions>,
): Promise<{ id: string; acceptedMs: number }> {
  const began = performance.now();
  const answer = await ask(client, '/v1/stamps', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ catalogue, ...options }),
  });
  const { id } = jobDocument.parse(await answer.json());
  return { id, acceptedMs: performance.now() - began };
}
