/** A worker of a queue whose one activity kills the process that runs it. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDispatch } from '@darkroom/dispatch';
import { kinds } from '@darkroom/kinds';
import { createLogger, loadConfig, startTelemetry } from '@darkroom/platform';
import { openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { cachedBundle } from '@darkroom/worker/bundle.ts';
import { createWorkers } from '@darkroom/worker/workers.ts';
import { NativeConnection } from '@temporalio/worker';

const config = loadConfig();
const logger = createLogger({ service: 'worker', level: 'fatal' });
const telemetry = startTelemetry({ service: 'worker' });
const records = openRecords(config.database);
const storage = createStorage(config.s3);
const dispatch = createDispatch({ records, storage, config, logger, telemetry, kinds });
const workers = await createWorkers(
  { records, storage, config, logger, telemetry, dispatch, kinds, worker: String(process.pid) },
  ['dying'],
  await NativeConnection.connect({ address: config.temporal.address }),
  await cachedBundle(telemetry, logger, join(config.recognition.modelsDir, '../bundles')),
  {
    dying: {
      activities: async () => ({
        async die(id: string): Promise<void> {
          console.log(`dies of ${id}`);
          // The line gets out first.
          await sleep(100);
          process.kill(process.pid, 'SIGKILL');
          await sleep(60_000);
        },
      }),
      slots: () => 1,
    },
  },
);
await Promise.all(workers.map((worker) => worker.run()));
