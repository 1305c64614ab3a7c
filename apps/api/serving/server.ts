/** The HTTP server around the app. */
import { createServer, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ProblemCode, ProblemError } from '@darkroom/contract';
import { getRequestListener } from '@hono/node-server';
import type { Api } from '../context.ts';
import { problemBody } from '../problems.ts';

export interface Listening {
  readonly port: number;
  /** Accepts nothing more, waits for open requests at most `graceMs`, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

/** Listens; rejects if it cannot. Port 0 takes a free one. */
export async function listen(
  app: Api,
  at: {
    readonly host: string;
    readonly port: number;
    /** How long the headers of a request may take. */
    readonly headersMs?: number;
    /** From its abort on each answer is the last one of its connection: a client's next request goes where it is sent then. */
    readonly draining?: AbortSignal;
  },
): Promise<Listening> {
  const headersTimeout = at.headersMs ?? 30_000;
  const server = createServer(
    {
      // An upload may take as long as it takes; bodies have deadlines where they are read.
      requestTimeout: 0,
      headersTimeout,
      connectionsCheckingInterval: Math.min(headersTimeout, 5000),
      keepAliveTimeout: 65_000,
    },
    getRequestListener(app.fetch),
  );
  if (at.draining) endConnections(server, at.draining);
  const answers = new WeakMap<Duplex, ServerResponse>();
  server.on('request', ({ socket }, answer) => answers.set(socket, answer));
  server.on('clientError', (error, socket) => {
    const answer = answers.get(socket);
    refuse(error, socket, answer?.headersSent === true && !answer.writableFinished);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? taken(at) : error),
    );
    server.listen(at.port, at.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: (graceMs) => close(server, graceMs),
  };
}

/** Has answers whose headers are not written by then, and all later ones, say `connection: close`. */
function endConnections(server: Server, draining: AbortSignal): void {
  const open = new Set<ServerResponse>();
  const close = (answer: ServerResponse): void => {
    answer.shouldKeepAlive = false;
  };
  // Before the listener that answers.
  server.prependListener('request', (_, answer) => {
    if (draining.aborted) close(answer);
    open.add(answer);
    answer.once('close', () => open.delete(answer));
  });
  draining.addEventListener('abort', () => open.forEach(close), { once: true });
}

const taken = ({ host, port }: { host: string; port: number }): Error =>
  new Error(`Port ${port} of ${host} is taken. Stop what uses it, or set API_PORT.`);

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection whose last answer has ended is kept open for the next request, which is not to come.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const late = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}

/** What the parser refuses, as what it is to the client. */
const refusals: Readonly<Record<string, [ProblemCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'Address and headers together have more than 16 KiB.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['payload_too_large', 'The extensions of a chunk have more than 16 KiB.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The headers did not come in time.'],
};

/** What does not become a request (both lengths given, headers too large or too slow) is refused in the same form as everything else. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex, answering: boolean): void {
  // Text in the middle of an answer would be taken for a part of it.
  if (error.code === 'ECONNRESET' || !socket.writable || answering) {
    socket.destroy();
    return;
  }
  const [code, detail] = refusals[error.code ?? ''] ?? ['invalid_request', 'The request is not valid HTTP.'];
  const document = problemBody(new ProblemError(code, detail), { instance: '', traceId: undefined });
  const body = JSON.stringify(document);
  socket.end(
    [
      `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status]}`,
      'content-type: application/problem+json',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
