/** A worker process: serves the queues named in DARKROOM_QUEUES until it is told to stop. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { kinds } from '@darkroom/contract';
import { createDispatch } from '@darkroom/dispatch';
import { createLogger, loadConfig, serveMetrics, startTelemetry } from '@darkroom/platform';
import { openRecords } from '@darkroom/records';
import { createStorage } from '@darkroom/storage';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { cachedBundle } from './bundle.ts';
import { createWorkers } from './workers.ts';

// Pictures lie beside the heap, but V8 counts them as its growth: by default a few of them bring on a full collection of
// all that the engine's SDK holds. The heap may grow to twice what lives in it before that.
setFlagsFromString('--heap-growing-percent=100');

const config = loadConfig();
const logger = createLogger({ service: 'worker', level: config.log.level });
const telemetry = startTelemetry({ service: 'darkroom-worker', endpoint: config.telemetry.endpoint });

const sdkMetrics = config.worker.sdkMetricsPort;
Runtime.install({
  logger: {
    log: (level, message) => logger.debug({ level }, message),
    trace: (message) => logger.trace(message),
    debug: (message) => logger.debug(message),
    info: (message) => logger.info(message),
    warn: (message) => logger.warn(message),
    error: (message) => logger.error(message),
  },
  telemetryOptions: { metrics: { prometheus: { bindAddress: `127.0.0.1:${sdkMetrics}` } } },
});

const records = await openRecords({
  url: config.database.url,
  pool: config.database.pool,
  application: 'darkroom-worker',
});
const storage = createStorage(config.s3);
const dispatch = createDispatch({ records, storage, config, logger, telemetry });
const connection = await connect();
const workers = await createWorkers(
  { records, storage, config, logger, telemetry, dispatch, kinds, worker: `${hostname()}/${process.pid}` },
  config.queues,
  connection,
  await cachedBundle(telemetry, logger, join(config.recognition.modelsDir, '../bundles')),
);
const metricsServer = await serveMetrics(config.worker.metricsPort, '127.0.0.1', {
  append: `http://127.0.0.1:${sdkMetrics}/metrics`,
});

logger.info({ queues: config.queues, pid: process.pid }, 'worker is ready');
// run() ends by itself on SIGINT and SIGTERM, when its activities have ended or were told to.
await Promise.all(workers.map((worker) => worker.run()));
await dispatch.close();
await connection.close();
await records.close();
storage.close();
await metricsServer.close();
await telemetry.shutdown();
logger.info('worker has stopped');

/** Waits for Temporal: a worker that starts first is no error. */
async function connect(): Promise<NativeConnection> {
  const { connectionOptions } = loadClientConnectConfig();
  for (;;) {
    try {
      return await NativeConnection.connect({ ...connectionOptions, address: config.temporal.address });
    } catch (error) {
      logger.warn({ err: error }, 'Temporal does not answer yet; trying again');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
