/**
 * A small load balancer before several API processes, as nginx and Envoy are set up: round robin over those whose readiness check passed
 * last, connections that are kept, a refused connection tried at the next one; what was sent once is never sent again.
 */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const checkMs = 500;
const checkTimeoutMs = 2000;
/** Name of the header that tells behind which upstream a request was lost. */
export const lostBehind = 'x-lost-behind';

export interface Balancer {
  readonly url: string;
  /** Those that passed their last check. */
  readonly ready: readonly string[];
  /** Takes another API in once it is ready, and checks it from then on. */
  add(url: string): void;
  close(): Promise<void>;
}

interface Upstream {
  readonly url: string;
  ready: boolean;
}

/** `key` is of a user, for `/status/ready`. */
export async function startBalancer(key: string): Promise<Balancer> {
  const upstreams: Upstream[] = [];
  const agent = new Agent({ keepAlive: true });
  const ended = new AbortController();
  let turn = 0;

  /** Ready ones first, each in its turn; the others where nobody is ready, rather than nobody. */
  const inTurn = (): Upstream[] => {
    turn++;
    const rotated = upstreams.map((_, i) => upstreams[(turn + i) % upstreams.length]!);
    return [...rotated.filter(({ ready }) => ready), ...rotated.filter(({ ready }) => !ready)];
  };

  const check = async (upstream: Upstream): Promise<void> => {
    upstream.ready = await fetch(`${upstream.url}/status/ready`, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(checkTimeoutMs),
    }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.ok;
      },
      () => false,
    );
  };
  const checking = (async () => {
    while (!ended.signal.aborted) {
      await Promise.all(upstreams.map(check));
      await sleep(checkMs, undefined, { signal: ended.signal }).catch(() => {});
    }
  })();

  const server = createServer((asked, answer) => {
    void pass(asked, answer, inTurn(), agent);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get ready() {
      return upstreams.flatMap(({ url, ready }) => (ready ? url : []));
    },
    add: (url) => void upstreams.push({ url, ready: false }),
    async close() {
      ended.abort();
      await checking;
      server.closeAllConnections();
      server.close();
      agent.destroy();
    },
  };
}

async function pass(
  asked: IncomingMessage,
  answer: ServerResponse,
  upstreams: readonly Upstream[],
  agent: Agent,
): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of asked) chunks.push(chunk as Buffer);
  } catch {
    // Whoever asked has gone.
    return;
  }
  const body = Buffer.concat(chunks);
  for (const upstream of upstreams) {
    const outcome = await forward(asked, answer, { upstream, body, agent });
    if (outcome === 'answered') return;
    if (outcome === 'lost') {
      if (answer.headersSent) answer.destroy();
      else answer.writeHead(502, { [lostBehind]: upstream.url }).end();
      return;
    }
    upstream.ready = false;
  }
  answer.writeHead(503, { [lostBehind]: 'nobody' }).end();
}

/** `refused`: no connection came about, so that nothing was sent. */
function forward(
  asked: IncomingMessage,
  answer: ServerResponse,
  to: { readonly upstream: Upstream; readonly body: Buffer; readonly agent: Agent },
): Promise<'answered' | 'refused' | 'lost'> {
  const { promise, resolve } = Promise.withResolvers<'answered' | 'refused' | 'lost'>();
  if (answer.destroyed) return Promise.resolve('answered');
  const { 'transfer-encoding': _, connection: __, ...headers } = asked.headers;
  const sent = request(new URL(asked.url ?? '/', to.upstream.url), {
    method: asked.method,
    headers: { ...headers, 'content-length': to.body.length },
    agent: to.agent,
  });
  // Who leaves has its request ended upstream too.
  const leave = (): void => {
    if (!answer.writableFinished) sent.destroy();
    resolve('answered');
  };
  answer.once('close', leave);
  sent.once('error', (error: NodeJS.ErrnoException) => {
    answer.off('close', leave);
    resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'lost');
  });
  sent.once('response', (got) => {
    const { connection: _, 'keep-alive': __, ...kept } = got.headers;
    answer.writeHead(got.statusCode ?? 502, kept);
    got.once('error', () => resolve('lost'));
    got.pipe(answer);
  });
  sent.end(to.body);
  return promise;
}
