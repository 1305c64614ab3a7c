import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, type Span, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry-v2';
import { afterEach, expect, test } from 'vitest';
import {
  currentTraceId,
  currentTraceparent,
  linkTo,
  startTelemetry,
  type Telemetry,
  withSharedSpan,
  withSpan,
  withTraceparent,
} from './telemetry.ts';

let telemetry: Telemetry | undefined;
afterEach(() => telemetry?.shutdown());

/** Spans stay in `spans` after a flush; the exporter itself forgets them when it is shut down. */
function recording() {
  const exporter = new InMemorySpanExporter();
  telemetry = startTelemetry({ service: 'test', exporter });
  const { spanProcessor } = telemetry;
  return async (): Promise<ReadableSpan[]> => {
    await spanProcessor.forceFlush();
    return exporter.getFinishedSpans();
  };
}

test('spans nest, carry attributes and errors, and none keeps a secret', async () => {
  const spans = recording();
  await withSpan(
    'outer',
    { 'url.full': 'http://h:1/v1/jobs/1?token=abc', 'url.query': 'token=abc' },
    async () => {
      const failing = withSpan('inner', { 'darkroom.job': 'j1' }, async () => {
        throw new Error('no http://s3/k?X-Amz-Signature=abc');
      });
      await expect(failing).rejects.toThrow('X-Amz-Signature=abc');
    },
  );
  const [inner, outer] = await spans();
  expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
  expect(inner?.attributes).toEqual({ 'darkroom.job': 'j1' });
  expect(inner?.status.message).toBe('no http://s3/k?X-Amz-Signature=[redacted]');
  expect(outer?.attributes).toEqual({ 'url.full': '/v1/jobs/1' });
  expect(outer?.resource.attributes).toMatchObject({ 'service.name': 'test' });
  expect(JSON.stringify([inner?.events, inner?.status])).not.toContain('=abc');
});

test('of very many spans below one, so many are told, all that failed, and how many there were more', async () => {
  const spans = recording();
  await withSpan('page', {}, async () => {
    for (let nth = 1; nth <= 1000; nth++) await withSpan('query', {}, async () => {});
    await withSpan('failing', {}, () => Promise.reject(new Error('no'))).catch(() => {});
    await withSpan('part', {}, () => withSpan('query', {}, async () => {}));
  });
  const told = await spans();
  const [page, part] = ['page', 'part'].map((wanted) => told.find(({ name }) => name === wanted)!);
  const below = told.filter(
    ({ parentSpanContext }) => parentSpanContext?.spanId === page!.spanContext().spanId,
  );
  expect(Map.groupBy(below, ({ name }) => name).get('query')).toHaveLength(128);
  expect(below.some(({ name }) => name === 'failing')).toBe(true);
  expect(below).toContain(part);
  expect(page!.attributes).toEqual({ 'darkroom.spans_left_out': 1000 - 128 });
});

test('without a receiver there are trace ids, which are passed on, and nothing is recorded', async () => {
  telemetry = startTelemetry({ service: 'test' });
  let recorded: boolean | undefined;
  const headers: Record<string, string> = {};
  const id = await withSpan('work', {}, async (span: Span) => {
    recorded = span.isRecording();
    propagation.inject(context.active(), headers);
    return currentTraceId();
  });
  expect(id).toMatch(/^[\da-f]{32}$/);
  expect(headers.traceparent).toContain(id);
  expect(recorded).toBe(false);
  expect(currentTraceId()).toBeUndefined();
});

test('work joins the trace it was given, and another trace links to it', async () => {
  const spans = recording();
  const parent = await withSpan('request', {}, async () => currentTraceparent());
  await withTraceparent(parent, () => withSpan('later', {}, async () => {}));
  const link = linkTo(parent);
  await withSpan('resumed', {}, async () => {}, { root: true, links: link === undefined ? [] : [link] });
  const [request, later, resumed] = await spans();
  expect(later?.spanContext().traceId).toBe(request?.spanContext().traceId);
  expect(later?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
  expect(resumed?.spanContext().traceId).not.toBe(request?.spanContext().traceId);
  expect(resumed?.links[0]?.context.spanId).toBe(request?.spanContext().spanId);
});

test('a traceparent that is none is left alone', () => {
  expect(linkTo('00-zz-1-01')).toBeUndefined();
  expect(linkTo(`00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`)).toBeUndefined();
  expect(withTraceparent('nonsense', () => trace.getActiveSpan())).toBeUndefined();
});

test('Temporal’s plugin takes it, and a workflow’s span keeps what names the run', async () => {
  const spans = recording();
  const { resource, spanProcessor } = telemetry!;
  const options = new OpenTelemetryPlugin({ resource, spanProcessor }).configureReplayWorker({
    workflowsPath: 'unused',
  });
  const sink = options.sinks?.exporter?.export;
  const time = [1, 0];
  sink?.fn(
    // What the sandbox hands over: the info of the workflow, and serialised spans.
    {
      workflowId: 'j1',
      workflowType: 'photo',
      runId: 'r1',
      memo: { a: 1 },
      searchAttributes: { b: [2] },
    } as never,
    [
      {
        name: 'RunWorkflow:photo',
        kind: 0,
        spanContext: { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 },
        startTime: time,
        endTime: time,
        duration: [0, 0],
        status: { code: 1 },
        attributes: {},
        links: [],
        events: [],
        ended: true,
        droppedAttributesCount: 0,
        droppedEventsCount: 0,
        droppedLinksCount: 0,
        instrumentationScope: { name: 'test' },
      },
    ],
  );
  const [run] = await spans();
  expect(run?.attributes).toEqual({ workflowId: 'j1', workflowType: 'photo', runId: 'r1' });
});

test('spans arrive at an OTLP receiver', async () => {
  const paths: (string | undefined)[] = [];
  const receiver = createServer((request, response) => {
    paths.push(request.url);
    request.resume().on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  telemetry = startTelemetry({ service: 'test', endpoint: `http://127.0.0.1:${port}` });
  await withSpan('work', {}, async () => {});
  await telemetry.shutdown();
  receiver.close();
  expect(paths).toEqual(['/v1/traces']);
});

test('a receiver that does not answer does not hold the end up', async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  telemetry = startTelemetry({ service: 'test', endpoint: `http://127.0.0.1:${port}`, shutdownMs: 200 });
  await withSpan('work', {}, async () => {});
  const started = performance.now();
  await telemetry.shutdown();
  expect(performance.now() - started).toBeLessThan(2000);
  silent.closeAllConnections();
  silent.close();
});

test('what is done for several is a trace of its own, linked with those of each of them', async () => {
  const spans = recording();
  const begun = Promise.withResolvers<void>();

  const sharers: Span[] = [];
  const waits = ['one', 'other'].map((name) =>
    withSpan(name, {}, async (span) => {
      sharers.push(span);
      await begun.promise;
    }),
  );
  await withSpan('whoever began it', {}, () => withSharedSpan('shared', {}, sharers, async () => {}));
  begun.resolve();
  await Promise.all(waits);
  const told = await spans();
  const [shared, one, other] = ['shared', 'one', 'other'].map(
    (wanted) => told.find(({ name }) => name === wanted)!,
  );
  const linked = ({ links }: ReadableSpan) => links.map(({ context }) => context.spanId);
  expect(shared!.parentSpanContext).toBeUndefined();
  expect(new Set(told.map((span) => span.spanContext().traceId)).size).toBe(4);
  expect(linked(shared!)).toEqual([one!, other!].map((span) => span.spanContext().spanId));
  expect([one!, other!].map(linked)).toEqual(Array(2).fill([shared!.spanContext().spanId]));
});
