import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream/promises';

/**
 * What happens to a request. `status`: answered at once, the server behind sees nothing. `ok-error`: status 200 with an S3 error as its
 * body. `truncate`: the connection ends after that many bytes of the answer. `shorten`: a well-formed answer that holds fewer bytes.
 * `stall`: silence after that many bytes, for ever (before the headers when `afterBytes` is absent). `reset`: the connection is
 * reset. `whole`: status 200 that names no range, as a store answers that knows none. `lose`: the server does its work, but the connection is reset instead of the answer. `corrupt`: one bit of the answer is flipped; `corrupt-request`: one of what is sent.
 */
export type Fault =
  | { kind: 'status'; status: number; code: string }
  | { kind: 'ok-error'; code: string }
  | { kind: 'truncate'; afterBytes: number }
  | { kind: 'shorten'; toBytes: number }
  | { kind: 'stall'; afterBytes?: number }
  | { kind: 'reset' }
  | { kind: 'whole' }
  | { kind: 'lose' }
  | { kind: 'corrupt' | 'corrupt-request' };

/** A fault for the next `times` requests of that method whose path and query match. */
export interface Rule {
  method?: string;
  path?: RegExp;
  times: number;
  fault: Fault;
}

/** A request as it came. `body`: as text, when it has at most 64 KiB; never of a part. */
export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface FaultProxy {
  endpoint: string;
  /** Adds a rule; the first that matches and has times left acts. */
  inject(rule: Rule): void;
  /** Forgets all rules and the requests seen. */
  clear(): void;
  /** `METHOD /path?query` of every request since the start or `clear`. */
  requests: string[];
  /** The same requests with their headers and small bodies, which are whole once a request was answered. */
  seen: SeenRequest[];
  stop(): Promise<void>;
}

function errorBody(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`;
}

function answerWith(response: ServerResponse, status: number, code: string): void {
  const body = errorBody(code);
  response.writeHead(status, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Bytes [0, limit) of a stream; the rest is drained. */
async function* firstBytes(source: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Buffer, undefined> {
  let left = limit;
  for await (const chunk of source) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

/** The stream with one bit of its first chunk flipped. */
async function* flipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, undefined> {
  let first = true;
  for await (const chunk of source) {
    if (first && chunk[0] !== undefined) chunk[0] ^= 1;
    first = false;
    yield chunk;
  }
}

const KEPT_BODY_BYTES = 64 * 1024;

/** The stream unchanged; `seen` is given what passes, as long as it is small. */
async function* noting(source: AsyncIterable<Buffer>, seen: SeenRequest): AsyncGenerator<Buffer, undefined> {
  const small = Number(seen.headers['content-length'] ?? 0) <= KEPT_BODY_BYTES;
  for await (const chunk of source) {
    if (small) seen.body += chunk.toString('latin1');
    yield chunk;
  }
}

async function reply(
  upstream: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  const headers = { ...upstream.headers };
  if (fault?.kind === 'shorten') headers['content-length'] = String(fault.toBytes);
  if (fault?.kind === 'whole') delete headers['content-range'];
  response.writeHead(fault?.kind === 'whole' ? 200 : (upstream.statusCode ?? 502), headers);
  response.flushHeaders();
  if (fault?.kind === 'truncate' || fault?.kind === 'stall') {
    for await (const chunk of firstBytes(upstream, fault.afterBytes ?? 0)) response.write(chunk);
    if (fault.kind === 'truncate') response.socket?.end();
  } else if (fault?.kind === 'shorten') {
    await pipeline(firstBytes(upstream, fault.toBytes), response);
  } else if (fault?.kind === 'corrupt') {
    await pipeline(flipped(upstream), response);
  } else {
    await pipeline(upstream, response);
  }
}

/** An HTTP proxy in front of the S3 server at `target` that passes requests on unchanged (so signatures hold), but for the injected faults. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  let rules: Rule[] = [];
  const requests: string[] = [];
  const seen: SeenRequest[] = [];

  const faultFor = (incoming: IncomingMessage): Fault | undefined => {
    const rule = rules.find(
      ({ method, path, times }) =>
        times > 0 &&
        (method === undefined || method === incoming.method) &&
        (path === undefined || path.test(incoming.url ?? '')),
    );
    if (rule) rule.times--;
    return rule?.fault;
  };

  const server = createServer((incoming, response) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    const { method = '', url = '', headers } = incoming;
    const noted: SeenRequest = { method, url, headers, body: '' };
    seen.push(noted);
    const fault = faultFor(incoming);
    incoming.on('error', () => {});
    response.on('error', () => {});
    if (fault?.kind === 'reset') {
      incoming.socket.resetAndDestroy();
      return;
    }
    if (fault?.kind === 'status' || fault?.kind === 'ok-error') {
      incoming.resume();
      incoming.on('end', () =>
        answerWith(response, fault.kind === 'status' ? fault.status : 200, fault.code),
      );
      return;
    }
    if (fault?.kind === 'stall' && fault.afterBytes === undefined) {
      incoming.resume();
      return;
    }
    const passed = request(
      { hostname, port, method: incoming.method, path: incoming.url, headers: incoming.headers },
      (upstream) => {
        if (fault?.kind === 'lose') {
          upstream.resume();
          upstream.on('end', () => incoming.socket.resetAndDestroy());
          return;
        }
        reply(upstream, response, fault).catch(() => response.destroy());
      },
    );
    passed.on('error', () => incoming.socket.destroy());
    response.on('close', () => passed.destroy());
    const source = noting(incoming, noted);
    pipeline(fault?.kind === 'corrupt-request' ? flipped(source) : source, passed).catch(() => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port was given');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    requests,
    seen,
    inject(rule) {
      rules.push({ ...rule });
    },
    clear() {
      rules = [];
      requests.length = 0;
      seen.length = 0;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
