/** The API process: serves until it is told to stop. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createDispatch } from '@darkroom/dispatch';
import {
  accessLog,
  createLogger,
  handleShutdown,
  loadConfig,
  reportJobs,
  startTelemetry,
} from '@darkroom/platform';
import { openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { createApp } from './app.ts';
import { createFollower } from './follower.ts';
import { jobCounts } from './job-counts.ts';
import { listen } from './server.ts';

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
const dispatch = createDispatch({ records, storage, config, logger, telemetry });
onShutdown('dispatch', () => dispatch.close());
const follower = createFollower(records);
onShutdown('follower', () => follower.close());

const app = createApp({
  config,
  logger,
  records,
  storage,
  dispatch,
  follower,
  stopping,
  accessLog: requests,
});
const server = await listen(app, config.api);
onShutdown('requests', () => server.close(10_000), 11_000);
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
