/** For tests: the API over a real Postgres and S3, and a Temporal address where nobody listens. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { photoKind } from '@darkroom/contract';
import type { Dispatch, Engine } from '@darkroom/dispatch';
import { kinds as existingKinds } from '@darkroom/kinds';
import { type Config, createLogger, loadConfig, startTelemetry } from '@darkroom/platform';
import { type Caller, commitSubmission, createKey, type Kinds, type Records } from '@darkroom/records';
import { freePort } from '@darkroom/servers/run/ports.ts';
import type { Storage } from '@darkroom/storage';
import { freshDatabase, startPostgres } from '../../test/harness/postgres.ts';
import { startS3 } from '../../test/harness/s3.ts';
import type { Service } from './app.ts';
import type { Api } from './context.ts';
import { openApi } from './serving/open.ts';
import { listen } from './serving/server.ts';

export interface TestApi {
  readonly url: string;
  readonly port: number;
  readonly app: Api;
  readonly config: Config;
  readonly records: Records;
  readonly storage: Storage;
  readonly dispatch: Dispatch;
  /** Makes a key; owner `ann`, role `user`, unless said otherwise. */
  key(changes?: Partial<Caller>): Promise<{ id: string; key: string }>;
  /** Requests with that key. */
  get(path: string, key?: string, headers?: Record<string, string>): Promise<Response>;
  send(
    method: string,
    path: string,
    key: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Response>;
  /** A queued photo job of that owner with so many items; nobody works on it. */
  job(owner?: string, items?: number): Promise<string>;
  /** Lines of the access log so far. */
  accessLines(): Promise<Record<string, unknown>[]>;
  /** As when the process is told to stop: it is not ready any more, and serves on. */
  drain(): void;
  postgres: { kill(): Promise<void>; restart(): Promise<void> };
  close(): Promise<void>;
}

/**
 * Starts all of it on free ports; `env` is added to the configuration. `engine` stands in for Temporal, where waiting for
 * one that is away is not what is tested; a test may bring kinds and services of its own.
 */
export async function startTestApi(
  env: Record<string, string> = {},
  engine?: Engine,
  { kinds = existingKinds, services }: { kinds?: Kinds; services?: readonly Service[] } = {},
): Promise<TestApi> {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-api-'));
  const [postgres, s3] = await Promise.all([startPostgres(), startS3()]);
  const config = loadConfig({
    DATABASE_URL: await freshDatabase(postgres.url),
    S3_ENDPOINT: s3.endpoint,
    S3_BUCKET: s3.bucket,
    S3_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}`,
    DARKROOM_HOME: folder,
    LINK_SECRET: 'a secret of the tests, long enough',
    ...env,
  });
  const logger = createLogger({ service: 'api', level: 'fatal' });
  const telemetry = startTelemetry({ service: 'darkroom-api-test' });
  const [draining, stopping] = [new AbortController(), new AbortController()];
  const opened = new AsyncDisposableStack();
  opened.defer(async () => {
    await telemetry.shutdown();
    await Promise.all([postgres.stop(), s3.stop(), rm(folder, { recursive: true, force: true })]);
  });
  const { app, records, storage, dispatch } = openApi({
    config,
    logger,
    telemetry,
    kinds,
    services,
    engine,
    application: 'test',
    draining: draining.signal,
    stopping: stopping.signal,
    onClose: (_, close) => opened.defer(async () => void (await close())),
  });
  const server = await listen(app, { host: '127.0.0.1', port: 0, draining: draining.signal });
  const url = `http://127.0.0.1:${server.port}`;

  const send: TestApi['send'] = (method, path, key, body, headers = {}) =>
    fetch(url + path, {
      method,
      headers: {
        ...(key !== '' && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });

  return {
    url,
    port: server.port,
    app,
    config,
    records,
    storage,
    dispatch,
    postgres,
    send,
    get: (path, key = '', headers = {}) => send('GET', path, key, undefined, headers),
    key: (changes = {}) => createKey(records.db, { ...ann, ...changes }),
    async job(owner = ann.owner, items = 1) {
      const input = photoKind.input.parse({});
      const { id } = await dispatch.receive(photoKind.kind, { ...ann, owner }, { input });
      // Without the engine's part, which would wait for it.
      await commitSubmission(records.db, {
        id,
        fingerprint: id,
        input,
        stage: 'recognise',
        items: Array.from({ length: items }, (_, i) => ({
          key: String(i + 1),
          input: { filename: `${i + 1}.jpg` },
        })),
      });
      return id;
    },
    async accessLines() {
      const text = await readFile(config.log.access, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    },
    drain: () => draining.abort(),
    async close() {
      draining.abort();
      stopping.abort();
      await server.close(2000);
      await opened.disposeAsync();
    },
  };
}

const away = (): Promise<never> => Promise.reject(new Error('Temporal is away'));

/** An engine that is away and says so at once. */
export const engineAway: Engine = {
  units: { start: away, describe: away, cancel: away },
  start: away,
  cancel: away,
  describe: away,
  isServed: away,
  startRemoval: away,
  ping: away,
  ensure: away,
  close: async () => {},
};

const ann = { owner: 'ann', group: null, role: 'user', priority: 3 } as const;
