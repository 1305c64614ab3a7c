/** A worker process, whatever kinds it serves. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { createDispatch, type Upkeep } from '@darkroom/dispatch';
import { assumedOf, Estimates, removeOldRuns } from '@darkroom/estimates';
import { kinds as allKinds } from '@darkroom/kinds';
import {
  type Config,
  createLogger,
  freeMetricsPort,
  type Logger,
  loadConfig,
  serveMetrics,
  startTelemetry,
} from '@darkroom/platform';
import { clearPrograms } from '@darkroom/program';
import { type Kinds, openRecords, type Records } from '@darkroom/records';
import { assumedOfCutouts } from '@darkroom/sky/realtime/plan.ts';
import { createStorage } from '@darkroom/storage';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { cachedBundle } from './bundle.ts';
import { cutoutUpkeep } from './cutouts.ts';
import { modelUpkeep } from './models.ts';
import { predictionUpkeep } from './predictions.ts';
import { checkSandbox, tellOfSandbox } from './sandbox.ts';
import { createWorkers, poolOf, type QueueDefinition, queueDefinitions } from './workers.ts';

export interface WorkerProcess {
  readonly kinds?: Kinds;
  /** Queues with their activities; by default all of Darkroom's. */
  readonly queues?: Readonly<Record<string, QueueDefinition>>;
  /** Those of them that are served; by default those that DARKROOM_QUEUES names. */
  readonly names?: readonly string[];
  /** File that exports the workflows; by default all of Darkroom's. */
  readonly workflows?: string;
}

/** Serves the queues until the process is told to stop. */
export async function runWorker({
  kinds = allKinds,
  queues,
  names,
  workflows,
}: WorkerProcess = {}): Promise<void> {
  // Pictures lie beside the heap, but V8 counts them as its growth: by default a few of them bring on a full collection of
  // all that the engine's SDK holds. The heap may grow to twice what lives in it before that.
  setFlagsFromString('--heap-growing-percent=100');

  const config = loadConfig();
  const logger = createLogger({ service: 'worker', level: config.log.level });
  const telemetry = startTelemetry({ service: 'darkroom-worker', endpoint: config.telemetry.endpoint });

  const sdkMetrics = await freeMetricsPort(config.worker.sdkMetricsPort);
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

  const definitions: Readonly<Record<string, QueueDefinition>> = queues ?? queueDefinitions;
  const served = (names ?? config.queues).flatMap((name) => definitions[name] ?? []);
  const sandbox = await checkSandbox(config, served, logger);
  const records = await openRecords({
    url: config.database.url,
    pool: poolOf(config, names ?? config.queues, queues),
    application: 'darkroom-worker',
  });
  const storage = createStorage(config.s3);
  // Before somebody goes on with one that is gone.
  await clearPrograms(config.program.dir);
  const estimates = new Estimates({
    records,
    logger,
    // The plan of a job expects of each of its cutouts what a request for one does.
    assumed: { ...assumedOf(kinds), cutout: assumedOfCutouts },
  });
  const upkeep = [
    predictionUpkeep({ records, storage, config }),
    modelUpkeep({ records, storage }),
    estimatesUpkeep(records),
    cutoutUpkeep({ records, storage, config }),
  ];
  const dispatch = createDispatch({ records, storage, config, logger, telemetry, kinds, estimates, upkeep });
  const connection = await connect(config, logger);
  const worker = `${hostname()}/${process.pid}`;
  const ends: (() => Promise<void>)[] = [];
  const atEnd = (work: () => Promise<void>): void => void ends.push(work);
  atEnd(() => estimates.flush());
  if (sandbox) atEnd(tellOfSandbox({ records, logger, worker }, sandbox));
  const workers = await createWorkers(
    {
      records,
      storage,
      config,
      logger,
      telemetry,
      dispatch,
      kinds,
      estimates,
      worker,
      atEnd,
    },
    names ?? config.queues,
    connection,
    await cachedBundle(telemetry, logger, join(config.recognition.modelsDir, '../bundles'), workflows),
    queues,
  );
  const metricsServer = await serveMetrics(config.worker.metricsPort, '127.0.0.1', {
    append: `http://127.0.0.1:${sdkMetrics}/metrics`,
  });

  logger.info(
    { queues: names ?? config.queues, pid: process.pid, metricsPort: metricsServer.port },
    'worker is ready',
  );
  // run() ends by itself on SIGINT and SIGTERM, when its activities have ended or were told to.
  await Promise.all(workers.map((worker) => worker.run()));
  await Promise.all(ends.map((end) => end()));
  await dispatch.close();
  await connection.close();
  await records.close();
  storage.close();
  await metricsServer.close();
  await telemetry.shutdown();
  logger.info('worker has stopped');
}

/** Days after which it says little how long something took that has not run since. */
const estimatesDays = 90;

const estimatesUpkeep = ({ db }: Records): Upkeep => ({
  name: 'estimates',
  run: () => removeOldRuns(db, new Date(Date.now() - estimatesDays * 24 * 3_600_000)),
});

/** Waits for Temporal: a worker that starts first is no error. */
async function connect(config: Config, logger: Logger): Promise<NativeConnection> {
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
