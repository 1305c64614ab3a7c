/**
 * API and workers inside the test's own process, on the real servers, made by the functions that their main files use;
 * a test brings its own kinds, routes and queues.
 */
import { hostname } from 'node:os';
import type { Service } from '@darkroom/api/app.ts';
import { openApi } from '@darkroom/api/serving/open.ts';
import { listen } from '@darkroom/api/serving/server.ts';
import type { Dispatch } from '@darkroom/dispatch';
import { type Config, createLogger, loadConfig, startTelemetry, type Telemetry } from '@darkroom/platform';
import { type Caller, createKey, type Kinds, migrate, type Records } from '@darkroom/records';
import { freePort } from '@darkroom/servers/run/ports.ts';
import type { Storage } from '@darkroom/storage';
import { bundleWorkflows } from '@darkroom/worker/bundle.ts';
import { createWorkers, type QueueDefinition } from '@darkroom/worker/workers.ts';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime } from '@temporalio/worker';
import { startTestStack } from './stack.ts';
import { ApiUser } from './user.ts';

export interface InProcessOptions {
  readonly kinds: Kinds;
  readonly services?: readonly Service[];
  /** Queues with their activities; all of them are served. */
  readonly queues: Readonly<Record<string, QueueDefinition>>;
  /** File that exports the workflows; by default all of Darkroom's. */
  readonly workflows?: string;
  readonly env?: Record<string, string>;
}

export interface InProcess {
  readonly url: string;
  readonly config: Config;
  readonly records: Records;
  readonly storage: Storage;
  readonly dispatch: Dispatch;
  readonly telemetry: Telemetry;
  readonly temporal: Client;
  /** Somebody with a key of their own. */
  user(owner: string, changes?: Partial<Caller>): Promise<ApiUser>;
  /** Serves the queues, or some of them, until told to stop. */
  work(names?: readonly string[]): Promise<{ stop(): Promise<void> }>;
  close(): Promise<void>;
}

/** Brings up the servers and the API; nobody works before {@link InProcess.work}. */
export async function startInProcess(name: string, options: InProcessOptions): Promise<InProcess> {
  // One runtime a process; its lines would drown the test's.
  Runtime.install({ logger: quiet });
  const stack = await startTestStack(name, options.env);
  const port = await freePort();
  const config = loadConfig({
    ...stack.env({ API_PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}` }),
  });
  await migrate(config.database.url);
  const logger = createLogger({ service: 'test', level: 'fatal' });
  const telemetry = startTelemetry({ service: 'test' });
  const { kinds, services, queues } = options;
  const stopping = new AbortController();
  const opened = new AsyncDisposableStack();
  opened.defer(async () => {
    await telemetry.shutdown();
    await stack.close();
  });
  const { app, records, storage, dispatch } = openApi({
    config,
    logger,
    telemetry,
    kinds,
    services,
    application: 'test',
    draining: stopping.signal,
    stopping: stopping.signal,
    onClose: (_, close) => opened.defer(async () => void (await close())),
  });
  const [server, bundle] = await Promise.all([
    listen(app, config.api),
    bundleWorkflows(telemetry, logger, options.workflows),
    dispatch.ensureEngine(),
  ]);
  const waits = dispatch.noteWaitsUnswept(stopping.signal);
  const connection = Connection.lazy({ address: config.temporal.address });
  const temporal = new Client({ connection, namespace: config.temporal.namespace });
  const native = await NativeConnection.connect({ address: config.temporal.address });
  const shifts = new Set<{ stop(): Promise<void> }>();

  return {
    url: config.api.publicUrl,
    config,
    records,
    storage,
    dispatch,
    telemetry,
    temporal,
    async user(owner, changes = {}) {
      const { key } = await createKey(records.db, {
        owner,
        group: null,
        role: 'user',
        priority: 3,
        ...changes,
      });
      return new ApiUser(config.api.publicUrl, key);
    },
    async work(names = Object.keys(queues)) {
      const { estimates } = dispatch;
      const deps = { records, storage, config, logger, telemetry, dispatch, kinds, estimates };
      const worker = `${hostname()}/${process.pid}`;
      const workers = await createWorkers({ ...deps, worker }, names, native, bundle, queues);
      const running = workers.map((each) => each.run());
      const shift = {
        async stop() {
          if (!shifts.delete(shift)) return;
          for (const each of workers) each.shutdown();
          await Promise.all(running);
        },
      };
      shifts.add(shift);
      return shift;
    },
    async close() {
      stopping.abort();
      await server.close(2000);
      await waits;
      await Promise.all([...shifts].map((shift) => shift.stop()));
      await native.close();
      await connection.close();
      await opened.disposeAsync();
    },
  };
}

const silent = (): void => {};
const quiet = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
