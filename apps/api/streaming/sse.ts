/** Streams that last: server-sent events and lines of JSON. */
import type { ApiContext, ApiDeps } from '../context.ts';
import type { Lasting } from '../middleware/admission.ts';

export interface ServerEvent {
  readonly event: string;
  readonly id?: number | string | undefined;
  readonly data: unknown;
}

/** A comment keeps proxies from taking silence for a dead connection. */
export const heartbeat = ': still here\n\n';

/** How often: oftener than a client is given up that takes nothing. */
export const heartbeatMs = ({ config }: Pick<ApiDeps, 'config'>): number =>
  Math.min(15_000, (config.client.idleSeconds * 1000) / 3);

/** How long until the records are asked again that were away. */
export const retryMs = (deps: Pick<ApiDeps, 'config'>): number => Math.min(2000, heartbeatMs(deps));

/** Asks now and then whether the key that a stream was opened with still holds. While the records are away it is taken to. */
export function keyWatch(c: ApiContext): () => Promise<boolean> {
  const { keyHolds, deps } = c.var;
  let asked = Date.now();
  return async () => {
    if (Date.now() - asked < heartbeatMs(deps) / 2) return true;
    asked = Date.now();
    return await keyHolds().catch(() => true);
  };
}

/** The number that an id of an event begins with; what follows the dot renews a link. */
export const numberIn = (eventId: string): number => Number(eventId.split('.')[0]);

/** What renews a link in the id of the last event that a client has seen. */
export const renewalIn = (eventId: string | undefined): string | undefined =>
  eventId?.includes('.') ? eventId.slice(eventId.indexOf('.') + 1) : undefined;

/** Sets the id that a client sends when it connects again, and is no event. */
export const formatId = (id: string): string => `id: ${id}\n\n`;

/** How long a client waits before it connects again; the first thing in a stream. */
export const reconnectAfter = 'retry: 3000\n\n';

/** An event as https://html.spec.whatwg.org/multipage/server-sent-events.html writes it. JSON has no line breaks of its own. */
export function formatEvent({ event, id, data }: ServerEvent): string {
  const line = id === undefined ? '' : `id: ${id}\n`;
  return `${line}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

export interface StreamedAnswer {
  readonly contentType: string;
  readonly counts: Lasting;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * An answer made of chunks, each asked for when the client can take it. `source` gets a signal that aborts when the client
 * goes away or the process stops, and must then end soon. If it fails the connection is cut, so that nobody takes what came
 * for the whole. Throws `too_many_open`.
 */
export function streamed(
  c: ApiContext,
  { contentType, counts, status = 200, headers }: StreamedAnswer,
  source: (signal: AbortSignal) => AsyncGenerator<string | Uint8Array, void, undefined>,
): Response {
  const { logger, deps } = c.var;
  c.var.hold(counts);
  const { outgoing } = c.env ?? {};
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, deps.stopping]);
  const chunks = source(signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          if (done) controller.close();
          else controller.enqueue(typeof value === 'string' ? encoder.encode(value) : value);
        } catch (error) {
          if (!signal.aborted) logger().error({ err: error }, 'a stream broke off');
          // Before the error, which the server would print.
          outgoing?.destroy();
          if (outgoing === undefined) controller.error(error);
          else controller.close();
        }
      },
      async cancel() {
        gone.abort();
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    status,
    headers: {
      ...headers,
      'content-type': contentType,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  });
}
