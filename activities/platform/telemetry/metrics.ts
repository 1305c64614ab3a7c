/** What Prometheus scrapes of a process. Times are in seconds, as Prometheus asks. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PortWish } from '../config/config.ts';

const registry = new Registry();
const registers = [registry];

/** From a light step to a long stage. */
const stageBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];

/** The measures that code adds to. */
export const metrics = {
  registry,
  jobsTotal: new Counter({
    name: 'darkroom_jobs_total',
    help: 'Jobs that entered a state.',
    labelNames: ['kind', 'state'],
    registers,
  }),
  stageSeconds: new Histogram({
    name: 'darkroom_stage_seconds',
    help: 'Work of one attempt at a stage.',
    labelNames: ['kind', 'stage'],
    buckets: stageBuckets,
    registers,
  }),
  queueWait: new Histogram({
    name: 'darkroom_queue_wait_seconds',
    help: 'From when an attempt could have begun until it did.',
    labelNames: ['kind', 'stage'],
    buckets: stageBuckets,
    registers,
  }),
  estimateRatio: new Histogram({
    name: 'darkroom_estimate_ratio',
    help: 'Seconds that something took over those it had been estimated at (p50).',
    labelNames: ['kind'],
    buckets: [0.1, 0.25, 0.5, 0.67, 0.8, 0.9, 1.1, 1.25, 1.5, 2, 4, 10],
    registers,
  }),
  estimatesTotal: new Counter({
    name: 'darkroom_estimates_total',
    help: 'What was estimated and has ended well, by whether it took its p50 or less, its p90 or less, or more (beyond).',
    labelNames: ['kind', 'within'],
    registers,
  }),
  httpSeconds: new Histogram({
    name: 'darkroom_http_seconds',
    help: 'Requests, until the answer was complete.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  }),
};

export interface JobCount {
  kind: string;
  state: string;
  count: number;
}

/** Shows jobs by kind and state; `count` is asked at each scrape. If it fails, the scrape goes without them. */
export function reportJobs(count: () => Promise<readonly JobCount[]>): void {
  registry.removeSingleMetric('darkroom_jobs');
  new Gauge({
    name: 'darkroom_jobs',
    help: 'Jobs by kind and state.',
    labelNames: ['kind', 'state'],
    registers,
    async collect() {
      const rows = await count().catch(() => []);
      this.reset();
      for (const row of rows) this.set({ kind: row.kind, state: row.state }, row.count);
    },
  });
}

export interface ScrapeOptions {
  /** URL of another Prometheus endpoint (that of Temporal's SDK) whose text is appended; left out while it does not answer. */
  append?: string;
}

/** The text of a scrape, with that of this process itself (CPU, memory, event loop). */
export async function metricsText({ append }: ScrapeOptions = {}): Promise<string> {
  if (registry.getSingleMetric('process_cpu_seconds_total') === undefined)
    collectDefaultMetrics({ register: registry });
  const [own, other] = await Promise.all([
    registry.metrics(),
    append === undefined ? '' : scrape(append).catch(() => ''),
  ]);
  return own + other;
}

async function scrape(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
  return answer.ok ? await answer.text() : '';
}

/**
 * The port of loopback for metrics that another library serves: the one wished for, or a free one where that is taken and need not be it.
 * @throws Error naming the port that is taken.
 */
export async function freeMetricsPort(wish: PortWish): Promise<number> {
  const server = createServer();
  const port = await listen(server, wish, '127.0.0.1');
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A server of `/metrics` for a process that has no other, on the port wished for; where that is taken and need not be it, on a free one. */
export async function serveMetrics(
  wish: PortWish,
  host: string,
  options: ScrapeOptions = {},
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metricsText(options).then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  return {
    port: await listen(server, wish, host),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listen(server: Server, { port, fixed }: PortWish, host: string): Promise<number> {
  const at = (wanted: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(wanted, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  await at(port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    if (fixed)
      throw new Error(`Port ${port}, meant for metrics, is taken by another process.`, { cause: error });
    return at(0);
  });
  return (server.address() as AddressInfo).port;
}
