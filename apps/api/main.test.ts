import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { photoKind } from '@darkroom/contract';
import { createKey, createReceiving, openRecords } from '@darkroom/records';
import { freePort } from '@darkroom/servers/run/ports.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase, startPostgres, type TestPostgres } from '../../test/harness/postgres.ts';
import { run } from '../../test/harness/process.ts';

let postgres: TestPostgres;
let home: string;
beforeAll(async () => {
  postgres = await startPostgres();
  home = await mkdtemp(join(tmpdir(), 'darkroom main '));
}, 60_000);
afterAll(async () => {
  await postgres.stop();
  await rm(home, { recursive: true, force: true });
});

test('the process serves without Temporal and S3, and ends in order on SIGTERM while a job is followed', async () => {
  const [url, port, nobody] = [await freshDatabase(postgres.url), await freePort(), await freePort()];
  const records = openRecords({ url, pool: 1 });
  const caller = { owner: 'ann', group: null, role: 'admin', priority: 3 } as const;
  const { key } = await createKey(records.db, caller);
  const id = randomUUID();
  await createReceiving(records.db, { id, kind: photoKind, caller, input: {} });
  await records.close();
  const api = run('apps/api/main.ts', {
    PATH: process.env.PATH ?? '',
    DATABASE_URL: url,
    DARKROOM_HOME: home,
    API_HOST: '127.0.0.1',
    API_PORT: String(port),
    TEMPORAL_ADDRESS: `127.0.0.1:${nobody}`,
    S3_ENDPOINT: `http://127.0.0.1:${nobody}`,
    S3_BUCKET: 'darkroom-test',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'y',
    API_DRAIN_SECONDS: '1',
  });
  try {
    const at = `http://127.0.0.1:${port}`;
    await expect
      .poll(
        () =>
          fetch(`${at}/status/health`).then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: 60_000 },
      )
      .toBe(200);
    const headers = { authorization: `Bearer ${key}` };
    const ready = await fetch(`${at}/status/ready`, { headers });
    expect(await ready.json()).toMatchObject({
      status: 'degraded',
      temporal: { ready: false },
      postgres: { ready: true },
      s3: { ready: false },
    });
    const submitted = await fetch(`${at}/v1/uploads`, { method: 'POST', headers, body: '{' });
    expect(submitted.status).toBe(415);

    const measures = await (await fetch(`${at}/metrics`, { headers })).text();
    expect(measures).toContain('darkroom_jobs{kind="photo",state="receiving"} 1');

    const followed = await fetch(`${at}/v1/jobs/${id}/events`, { headers });
    const reader = followed.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    const told = performance.now();
    api.kill('SIGTERM');
    while (!(await reader?.read())?.done);
    expect(performance.now() - told).toBeGreaterThan(999);
    const code = await api.ended;
    const lines = api.lines.map((line) => JSON.parse(line) as { msg: string; level: string });
    // Together: what it says of a step that failed is why the code is another one.
    expect({ code, errors: lines.filter(({ level }) => level === 'error') }).toEqual({ code: 0, errors: [] });
    expect(performance.now() - told).toBeLessThan(10_000);
    expect(lines.at(-1)?.msg).toBe('stopped');
  } finally {
    await api.stop();
  }
}, 120_000);
