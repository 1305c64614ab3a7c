/** Traces: one provider for a process, exported by OTLP where an endpoint is configured. */
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import {
  type Attributes,
  context,
  isSpanContextValid,
  type Link,
  propagation,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  NoopSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { PruningSpanProcessor } from './prune.ts';

/** The traces of a process. `resource` and `spanProcessor` are what Temporal's plugin takes. */
export interface Telemetry {
  readonly provider: NodeTracerProvider;
  readonly resource: Resource;
  readonly spanProcessor: SpanProcessor;
  /** Whether anybody collects the spans; else there are ids alone. */
  readonly recording: boolean;
  /** Exports what is left, for at most `shutdownMs`. Call it last: a workflow's span ends with its worker. */
  shutdown(): Promise<void>;
}

export interface TelemetryOptions {
  service: string;
  /** Base URL of an OTLP receiver over HTTP; without one, spans have ids but are not recorded. */
  endpoint?: string | undefined;
  /** Takes the spans in place of `endpoint`'s. */
  exporter?: SpanExporter | undefined;
  /** Longest wait for the last export at the end. Default 5 s. */
  shutdownMs?: number;
}

/** Starts tracing; the W3C headers `traceparent` and `baggage` carry it from process to process. Once per process. */
export function startTelemetry({
  service,
  endpoint,
  exporter,
  shutdownMs = 5000,
}: TelemetryOptions): Telemetry {
  const target = exporter ?? (endpoint === undefined ? undefined : exporterTo(endpoint));
  const resource = resourceFromAttributes({
    'service.namespace': 'darkroom',
    'service.name': service,
    'service.instance.id': `${hostname()}/${process.pid}`,
  }).merge(detectResources({ detectors: [envDetector] }));
  const spanProcessor = new PruningSpanProcessor(
    target === undefined
      ? new NoopSpanProcessor()
      : new BatchSpanProcessor(target, { maxQueueSize: 8192, scheduledDelayMillis: 1000 }),
  );
  const provider = new NodeTracerProvider({
    resource,
    spanProcessors: [spanProcessor],
    // Nobody would see them: ids are made and passed on, but nothing is recorded.
    ...(target === undefined ? { sampler: new AlwaysOffSampler() } : {}),
  });
  provider.register();
  return {
    provider,
    resource,
    spanProcessor,
    recording: target !== undefined,
    async shutdown() {
      const waiting = new AbortController();
      await Promise.race([provider.shutdown().catch(() => {}), rest(shutdownMs, waiting.signal)]);
      waiting.abort();
      trace.disable();
      context.disable();
      propagation.disable();
    },
  };
}

/** Loaded where there is a receiver only: a hundred and fifty files, a twentieth of what a process does as it starts. */
function exporterTo(endpoint: string): SpanExporter {
  const name = '@opentelemetry/exporter-trace-otlp-http';
  const { OTLPTraceExporter }: typeof import('@opentelemetry/exporter-trace-otlp-http') = createRequire(
    import.meta.url,
  )(name);
  return new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
}

function rest(ms: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    until.addEventListener('abort', () => clearTimeout(timer));
  });
}

export interface SpanOptions {
  links?: Link[];
  /** Begins a new trace. */
  root?: boolean;
}

/** Runs `fn` in a span of its own, which ends with it; an error is recorded and thrown on. */
export async function withSpan<R>(
  name: string,
  attributes: Attributes,
  fn: (span: Span) => Promise<R>,
  options: SpanOptions = {},
): Promise<R> {
  return trace.getTracer('darkroom').startActiveSpan(name, { attributes, ...options }, async (span) => {
    try {
      return await fn(span);
    } catch (error) {
      const thrown = error instanceof Error ? error : new Error(String(error));
      span.recordException(thrown);
      span.setStatus({ code: SpanStatusCode.ERROR, message: thrown.message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * As {@link withSpan}, in a trace of its own for what is done for several others together: it links to the span of each of them, and each
 * of these to it.
 */
export async function withSharedSpan<R>(
  name: string,
  attributes: Attributes,
  sharers: readonly Span[],
  fn: () => Promise<R>,
): Promise<R> {
  const links = sharers.map((span) => ({ context: span.spanContext() }));
  const shared = async (span: Span): Promise<R> => {
    for (const sharer of sharers) sharer.addLink({ context: span.spanContext() });
    return fn();
  };
  return withSpan(name, attributes, shared, { root: true, links });
}

/** The span this runs in. */
export const currentSpan = (): Span | undefined => trace.getActiveSpan();

function currentSpanContext() {
  const current = trace.getActiveSpan()?.spanContext();
  return current !== undefined && isSpanContextValid(current) ? current : undefined;
}

/** Id of the trace this runs in: 32 hexadecimal digits. */
export function currentTraceId(): string | undefined {
  return currentSpanContext()?.traceId;
}

/** The W3C `traceparent` of the span this runs in: what to keep so that later work can join the trace or link to it. */
export function currentTraceparent(): string | undefined {
  const current = currentSpanContext();
  if (current === undefined) return undefined;
  return `00-${current.traceId}-${current.spanId}-${current.traceFlags.toString(16).padStart(2, '0')}`;
}

/** Runs `fn` within the trace that `traceparent` names; without one, or with a wrong one, just so. */
export function withTraceparent<R>(traceparent: string | undefined, fn: () => R): R {
  const parsed = parseTraceparent(traceparent);
  if (parsed === undefined) return fn();
  return context.with(trace.setSpanContext(context.active(), parsed), fn);
}

/** A link to the span that `traceparent` names, for a trace that follows from another one. */
export function linkTo(traceparent: string | undefined): Link | undefined {
  const parsed = parseTraceparent(traceparent);
  return parsed === undefined ? undefined : { context: parsed };
}

function parseTraceparent(traceparent: string | undefined) {
  const match = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/.exec(traceparent ?? '');
  if (match === null) return undefined;
  const parsed = {
    traceId: match[1]!,
    spanId: match[2]!,
    traceFlags: Number.parseInt(match[3]!, 16),
    isRemote: true,
  };
  return isSpanContextValid(parsed) ? parsed : undefined;
}
