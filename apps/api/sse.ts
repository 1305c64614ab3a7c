/** Streams that last: server-sent events and lines of JSON. */
import type { ApiContext } from './context.ts';

export interface ServerEvent {
  readonly event: string;
  readonly id?: number | undefined;
  readonly data: unknown;
}

/** A comment keeps proxies from taking silence for a dead connection. */
export const heartbeat = ': still here\n\n';
export const heartbeatMs = 15_000;

/** How long a client waits before it connects again; the first thing in a stream. */
export const reconnectAfter = 'retry: 3000\n\n';

/** An event as https://html.spec.whatwg.org/multipage/server-sent-events.html writes it. JSON has no line breaks of its own. */
export function formatEvent({ event, id, data }: ServerEvent): string {
  const line = id === undefined ? '' : `id: ${id}\n`;
  return `${line}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/**
 * An answer made of chunks, each asked for when the client can take it. `source` gets a signal that aborts when the client
 * goes away or the process stops, and must then end soon. If it fails the connection is cut, so that nobody takes what came
 * for the whole.
 */
export function streamed(
  c: ApiContext,
  contentType: string,
  source: (signal: AbortSignal) => AsyncGenerator<string | Uint8Array, void, undefined>,
): Response {
  const { logger, deps } = c.var;
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
          if (!signal.aborted) logger.error({ err: error }, 'a stream broke off');
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
    headers: { 'content-type': contentType, 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  });
}
