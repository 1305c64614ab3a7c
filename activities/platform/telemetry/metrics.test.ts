import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { freeMetricsPort, metrics, reportJobs, serveMetrics } from './metrics.ts';

const anyPort = { port: 0, fixed: true };

async function scrape(port: number, path = '/metrics') {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
}

test('a scrape shows what was measured, the process, and the other endpoint', async () => {
  const sdk = createServer((_, response) => response.end('temporal_worker_task_slots_available 3\n'));
  await new Promise<void>((resolve) => sdk.listen(0, '127.0.0.1', resolve));
  const append = `http://127.0.0.1:${(sdk.address() as AddressInfo).port}/metrics`;
  const server = await serveMetrics(anyPort, '127.0.0.1', { append });

  metrics.jobsTotal.inc({ kind: 'photo', state: 'succeeded' });
  metrics.stageSeconds.observe({ kind: 'photo', stage: 'recognise' }, 0.3);
  metrics.queueWait.observe({ kind: 'photo', stage: 'recognise' }, 0.01);
  metrics.httpSeconds.observe({ method: 'GET', route: '/v1/jobs', status: '200' }, 0.004);
  let running = 2;
  reportJobs(async () => [{ kind: 'photo', state: 'running', count: running }]);

  const first = await scrape(server.port);
  expect(first.type).toContain('text/plain');
  for (const line of [
    'darkroom_jobs_total{kind="photo",state="succeeded"} 1',
    'darkroom_jobs{kind="photo",state="running"} 2',
    'darkroom_stage_seconds_bucket{le="0.5",kind="photo",stage="recognise"} 1',
    'darkroom_queue_wait_seconds_count{kind="photo",stage="recognise"} 1',
    'darkroom_http_seconds_count{method="GET",route="/v1/jobs",status="200"} 1',
    'temporal_worker_task_slots_available 3',
  ])
    expect(first.text.split('\n')).toContain(line);
  expect(first.text).toContain('process_resident_memory_bytes');

  running = 0;
  expect((await scrape(server.port)).text).toContain('darkroom_jobs{kind="photo",state="running"} 0');
  expect((await scrape(server.port, '/')).status).toBe(404);

  // What is away is left out.
  sdk.closeAllConnections();
  await new Promise((resolve) => sdk.close(resolve));
  reportJobs(async () => {
    throw new Error('no database');
  });
  const last = await scrape(server.port);
  expect(last.status).toBe(200);
  expect(last.text).toContain('darkroom_jobs_total{');
  expect(last.text).not.toContain('darkroom_jobs{');
  expect(last.text).not.toContain('temporal_');
  await server.close();
});

test('a port that is asked for and taken is an error; the usual one gives way to a free one', async () => {
  const { port, close } = await serveMetrics(anyPort, '127.0.0.1');
  await expect(serveMetrics({ port, fixed: true }, '127.0.0.1')).rejects.toThrow(`Port ${port}`);
  await expect(freeMetricsPort({ port, fixed: true })).rejects.toThrow(`Port ${port}`);
  const second = await serveMetrics({ port, fixed: false }, '127.0.0.1');
  expect((await scrape(second.port)).status).toBe(200);
  expect(second.port).not.toBe(port);
  expect(await freeMetricsPort({ port, fixed: false })).not.toBe(port);
  await second.close();
  await close();
  expect(await freeMetricsPort({ port, fixed: true })).toBe(port);
});
