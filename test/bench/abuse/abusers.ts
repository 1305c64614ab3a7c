/** Clients that do what is forbidden, in a process of their own; the answers they got are its only message. */
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';

/** What the clients do, and where. */
export interface Abuse {
  readonly port: number;
  /** One user's: the clients take turns with them. */
  readonly keys: readonly string[];
  readonly seconds: number;
  /** Clients of each of the four kinds. */
  readonly each: number;
  /** Requests that the flooding ones send in all. */
  readonly requestsPerSecond: number;
  readonly archive: string;
  /** Streams of events, and of a log with much in it. */
  readonly streams: readonly string[];
  /** What the flood asks for. */
  readonly reads: readonly string[];
}

/** How often a kind of client was answered with a status; 0 stands for no answer. */
export type Answers = Record<string, number>;

const pauseMs = 200;

process.on('message', (abuse: Abuse) => {
  run(abuse).then((answers) => process.send?.(answers));
});
process.on('disconnect', () => process.exit());

async function run(abuse: Abuse): Promise<Answers> {
  const answers: Answers = {};
  const until = performance.now() + abuse.seconds * 1000;
  const count = (kind: string, status: number): void => {
    const name = `${kind} ${status}`;
    answers[name] = (answers[name] ?? 0) + 1;
  };
  const clients = Array.from({ length: abuse.each }, (_, i) => {
    const key = abuse.keys[i % abuse.keys.length]!;
    return [
      again(until, () => halfOpen(abuse, key, until, count)),
      again(until, () =>
        unread('archive', abuse.archive, { ...abuse, key, bytesPerSecond: 1024 }, until, count),
      ),
      again(until, () =>
        unread(
          'stream',
          abuse.streams[i % abuse.streams.length]!,
          { ...abuse, key, bytesPerSecond: 0 },
          until,
          count,
        ),
      ),
      flood(abuse, i, until, count),
    ];
  });
  await Promise.all(clients.flat());
  return answers;
}

type Count = (kind: string, status: number) => void;

/** Whoever is refused or cut off comes again. */
async function again(until: number, once: () => Promise<void>): Promise<void> {
  while (performance.now() < until) {
    await once();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Opens a connection, lets `talk` write to it, counts the status line of the answer, and ends when the server hangs up or the time is over. */
function connection(
  port: number,
  until: number,
  told: (status: number) => void,
  talk: (socket: Socket) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let status = 0;
    const timer = setTimeout(() => socket.destroy(), Math.max(0, until - performance.now()));
    socket.on('data', (chunk) => {
      if (status !== 0) return;
      status = Number(/^HTTP\/1\.1 (\d{3})/.exec(chunk.toString('latin1'))?.[1] ?? 0);
      if (status >= 400) socket.end();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      told(status);
      resolve();
    });
    socket.on('connect', () => talk(socket));
  });
}

const photoHead = Buffer.from([0xff, 0xd8, 0xff, 0xe0]);

/** Sends the first MiB of a photo and then no more. */
function halfOpen({ port }: Abuse, key: string, until: number, count: Count): Promise<void> {
  return connection(
    port,
    until,
    (status) => count('upload', status),
    (socket) => {
      socket.write(
        `POST /v1/analysis HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n` +
          'content-type: multipart/form-data; boundary=b\r\ncontent-length: 100000000\r\n\r\n' +
          '--b\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n',
      );
      socket.write(photoHead);
      socket.write(Buffer.alloc(1024 * 1024));
    },
  );
}

/** Asks for what has no end soon, and takes `bytesPerSecond` of it. */
function unread(
  kind: string,
  path: string,
  { port, key, bytesPerSecond }: { port: number; key: string; bytesPerSecond: number },
  until: number,
  count: Count,
): Promise<void> {
  let sip: NodeJS.Timeout | undefined;
  return connection(
    port,
    until,
    (status) => {
      clearInterval(sip);
      count(kind, status);
    },
    (socket) => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n\r\n`);
      socket.once('data', (chunk) => {
        if (!/^HTTP\/1\.1 2/.test(chunk.toString('latin1', 0, 12))) return;
        socket.pause();
        if (bytesPerSecond > 0) sip = setInterval(() => socket.read(bytesPerSecond), 1000);
      });
    },
  );
}

/** Sends requests by the clock, answered or not: lists and pages of results, uploads that stay open, keys that are guessed. */
async function flood(abuse: Abuse, client: number, until: number, count: Count): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const everyMs = (1000 * abuse.each) / abuse.requestsPerSecond;
  const key = abuse.keys[client % abuse.keys.length]!;
  for (let n = 0; performance.now() < until; n++) {
    const kind = n % 10;
    const [method, path, by] =
      kind === 0
        ? ['POST', '/v1/uploads', key]
        : kind === 1
          ? ['GET', '/v1/jobs', `guess-${client}-${n}`]
          : ['GET', abuse.reads[n % abuse.reads.length]!, key];
    const sent = request({
      agent,
      host: '127.0.0.1',
      port: abuse.port,
      method,
      path,
      headers: {
        authorization: `Bearer ${by}`,
        ...(method === 'POST' && { 'content-type': 'application/json' }),
      },
    });
    sent.on('response', (answer) => {
      count('request', answer.statusCode ?? 0);
      answer.resume();
    });
    sent.on('error', () => count('request', 0));
    sent.end(method === 'POST' ? JSON.stringify({ filename: 'a.tif', bytes: 100_000_000 }) : undefined);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  agent.destroy();
}
