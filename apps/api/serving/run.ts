/** An API process, whatever kinds it serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { kinds as allKinds } from '@darkroom/kinds';
import { createLogger, handleShutdown, loadConfig, reportJobs, startTelemetry } from '@darkroom/platform';
import type { Kinds } from '@darkroom/records';
import type { Service } from '../app.ts';
import { jobCounts } from '../routes/operations/job-counts.ts';
import { openApi } from './open.ts';
import { listen } from './server.ts';

export interface ApiProcess {
  readonly kinds?: Kinds;
  /** Routes; by default all of Darkroom's. */
  readonly services?: readonly Service[];
}

/** What was taken in is waited for so long when nothing more is: uploads of hours are not. */
const graceMs = 15_000;

/** Serves until the process is told to stop. */
export async function runApi({ kinds = allKinds, services }: ApiProcess = {}): Promise<void> {
  // On a machine with much memory V8 lets the heap grow to four times what lives in it before a full collection: what streams of many small
  // reads leave would stay for long. Twice is enough, as in a worker.
  setFlagsFromString('--heap-growing-percent=100');

  const config = loadConfig();
  const logger = createLogger({ service: 'api', level: config.log.level });
  const telemetry = startTelemetry({ service: 'darkroom-api', endpoint: config.telemetry.endpoint });
  const { onShutdown, signal: draining } = handleShutdown(logger);
  const stopping = new AbortController();
  onShutdown('telemetry', () => telemetry.shutdown());

  const { app, records, dispatch } = openApi({
    config,
    logger,
    telemetry,
    kinds,
    services,
    application: 'darkroom-api',
    draining,
    stopping: stopping.signal,
    onClose: onShutdown,
  });
  reportJobs(jobCounts(records));
  const waits = dispatch.noteWaitsUnswept(draining);
  onShutdown('waits', () => waits);
  const { host, port, drainSeconds } = config.api;
  const server = await listen(app, { host, port, draining });
  const endRequests = (): Promise<void> => {
    stopping.abort();
    return server.close(graceMs);
  };
  onShutdown('requests', endRequests, graceMs + 5000);
  // Whoever asks meanwhile is told that others are ready, and answered.
  onShutdown('drain', () => sleep(1000 * drainSeconds), 1000 * drainSeconds + 5000);
  logger.info({ url: config.api.publicUrl, port: server.port, pid: process.pid }, 'the API is ready');

  // An API that starts while Temporal is away serves all the same.
  while (!draining.aborted) {
    try {
      await dispatch.ensureEngine();
      break;
    } catch (error) {
      logger.warn({ err: error }, 'Temporal does not answer yet; trying again');
      await sleep(2000, undefined, { signal: draining }).catch(() => {});
    }
  }
}
