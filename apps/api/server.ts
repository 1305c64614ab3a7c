/** The HTTP server around the app. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ProblemError } from '@darkroom/contract';
import { getRequestListener } from '@hono/node-server';
import type { Api } from './context.ts';
import { problemBody } from './problems.ts';

export interface Listening {
  readonly port: number;
  /** Accepts nothing more, waits for open requests at most `graceMs`, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

/** Listens; rejects if it cannot. Port 0 takes a free one. */
export async function listen(
  app: Api,
  at: { readonly host: string; readonly port: number },
): Promise<Listening> {
  const server = createServer(
    // An upload may take as long as it takes; bodies have deadlines where they are read.
    { requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 65_000 },
    getRequestListener(app.fetch),
  );
  server.on('clientError', refuse);
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

/** What is not HTTP (both lengths given, headers too large) is refused in the same form as everything else. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = new ProblemError('invalid_request', 'The request is not valid HTTP.');
  const body = JSON.stringify(problemBody(problem, { instance: '', traceId: undefined }));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
