/** An API process, whatever kinds it serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { createDispatch } from '@darkroom/dispatch';
import { kinds as allKinds } from '@darkroom/kinds';
import {
  accessLog,
  createLogger,
  handleShutdown,
  loadConfig,
  reportJobs,
  startTelemetry,
} from '@darkroom/platform';
import { type Kinds, openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { createApp, type Service } from './app.ts';
import { jobCounts } from './routes/operations/job-counts.ts';
import { listen } from './server.ts';
import { createFollower } from './streaming/follower.ts';

export interface ApiProcess {
  readonly kinds?: Kinds;
  /** Routes; by default all of Darkroom's. */
  readonly services?: readonly Service[];
}

/** Serves until the process is told to stop. */
export async function runApi({ kinds = allKinds, services }: ApiProcess = {}): Promise<void> {
  // On a machine with much memory V8 lets the heap grow to four times what lives in it before a full collection: what streams of many small
  // reads leave would stay for long. Twice is enough, as in a worker.
  setFlagsFromString('--heap-growing-percent=100');

  const config = loadConfig();
  const logger = createLogger({ service: 'api', level: config.log.level });
  const telemetry = startTelemetry({ service: 'darkroom-api', endpoint: config.telemetry.endpoint });
  const { onShutdown, signal: stopping } = handleShutdown(logger);
  onShutdown('telemetry', () => telemetry.shutdown());

  const requests = accessLog(config.log.access, {
    onError: (error) => logger.error({ err: error }, 'the access log cannot be written'),
  });
  onShutdown('access log', () => requests.close());
  const records = openRecords({ ...config.database, application: 'darkroom-api' });
  onShutdown('records', () => records.close());
  reportJobs(jobCounts(records));
  const storage = createStorage(config.s3);
  onShutdown('storage', () => storage.close());
  const dispatch = createDispatch({ records, storage, config, logger, telemetry, kinds });
  onShutdown('dispatch', () => dispatch.close());
  const follower = createFollower(records);
  onShutdown('follower', () => follower.close());

  const app = createApp(
    { config, logger, records, storage, dispatch, follower, stopping, accessLog: requests },
    services,
  );
  const server = await listen(app, config.api);
  onShutdown('requests', () => server.close(10_000), 11_000);
  const waits = dispatch.noteWaitsUnswept(stopping);
  onShutdown('waits', () => waits);
  logger.info({ url: config.api.publicUrl, port: server.port, pid: process.pid }, 'the API is ready');

  // An API that starts while Temporal is away serves all the same.
  while (!stopping.aborted) {
    try {
      await dispatch.ensureEngine();
      break;
    } catch (error) {
      logger.warn({ err: error }, 'Temporal does not answer yet; trying again');
      await sleep(2000, undefined, { signal: stopping }).catch(() => {});
    }
  }
}
