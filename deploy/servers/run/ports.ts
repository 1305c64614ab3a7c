import { randomInt } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { SetupError } from '../setup-error.mjs';

export interface PortWish {
  /** What the port is for, as a person would say it. */
  readonly label: string;
  /** The environment variable that sets it. */
  readonly variable: string;
  readonly fallback: number;
}

/** The ports of the embedded stack: what for, how to choose another, and the default. */
export const ports = {
  api: { label: 'the API', variable: 'API_PORT', fallback: 8000 },
  temporal: { label: 'Temporal', variable: 'DARKROOM_TEMPORAL_PORT', fallback: 7233 },
  temporalUi: { label: "Temporal's Web UI", variable: 'DARKROOM_TEMPORAL_UI_PORT', fallback: 8233 },
  postgres: { label: 'Postgres', variable: 'DARKROOM_POSTGRES_PORT', fallback: 54329 },
  s3: { label: 'S3', variable: 'DARKROOM_S3_PORT', fallback: 7070 },
  metrics: { label: "the worker's metrics", variable: 'WORKER_METRICS_PORT', fallback: 9464 },
  sdkMetrics: { label: "the metrics of Temporal's SDK", variable: 'WORKER_SDK_METRICS_PORT', fallback: 9465 },
} satisfies Record<string, PortWish>;

export type PortName = keyof typeof ports;
export type Ports = Record<PortName, number>;
/** `fixed`: the defaults or the environment's, taken is an error; `free`: any; `prefer`: any where the default is taken. */
export type PortPolicy = 'fixed' | 'free' | 'prefer';

export interface PortHolder {
  readonly pid: number;
  readonly program: string;
}

/**
 * Chooses the ports of a stack on loopback.
 * @throws SetupError naming the port that is taken, by whom, and how to choose another.
 */
export async function choosePorts(
  wanted: readonly PortName[],
  policy: PortPolicy,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ports> {
  const chosen = {} as Ports;
  const held: HeldPort[] = [];
  // Held until all are chosen, so that no two get the same free port.
  try {
    for (const name of Object.keys(ports) as PortName[]) {
      const wish = ports[name];
      const asked = readPort(wish, env);
      if (!wanted.includes(name)) {
        chosen[name] = asked ?? wish.fallback;
        continue;
      }
      const wished =
        policy === 'free' && asked === undefined ? undefined : await holdPort(asked ?? wish.fallback);
      const strict = policy === 'fixed' || asked !== undefined;
      if (!wished && strict) {
        const port = asked ?? wish.fallback;
        throw new SetupError(takenMessage(wish, port, await portHolder(port)));
      }
      const holding = wished ?? (await holdAnyPort());
      if (!holding) throw new SetupError(`No free port was found for ${wish.label}.`);
      held.push(holding);
      chosen[name] = holding.port;
    }
  } finally {
    await Promise.all(held.map((one) => one.release()));
  }
  return chosen;
}

/** Below what systems give to connections of their own (Linux: 32768 on): such a port may be taken again before it is used. */
const unprivileged = { from: 10_000, to: 32_000 };

/** A port that nobody else gets until it is released. */
interface HeldPort {
  readonly port: number;
  release(): Promise<void>;
}

async function holdAnyPort(): Promise<HeldPort | undefined> {
  for (let tries = 0; tries < 100; tries++) {
    const held = await holdPort(randomInt(unprivileged.from, unprivileged.to));
    if (held) return held;
  }
  return undefined;
}

/** A TCP port of loopback that was free just now. @throws SetupError where none is found. */
export async function freePort(): Promise<number> {
  const held = await holdAnyPort();
  if (!held) throw new SetupError('No port is free.');
  await held.release();
  return held.port;
}

/** The one line for a taken port. */
export function takenMessage(wish: PortWish, port: number, holder: PortHolder | undefined): string {
  const by = holder ? ` by ${holder.program} (pid ${holder.pid})` : '';
  return `Port ${port}, meant for ${wish.label}, is taken${by}. Stop that, or choose another: ${wish.variable}=${port + 1} npm start`;
}

/** The port that the environment asks for. @throws SetupError when it is no port number. */
export function readPort(wish: PortWish, env: NodeJS.ProcessEnv): number | undefined {
  const text = env[wish.variable];
  if (!text) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new SetupError(
    `${wish.variable} is "${text}", which is no port number. Give a number from 1 to 65535.`,
  );
}

/** The socket inodes that listen on `port`, from the text of /proc/net/tcp or tcp6. */
export function listeningInodes(table: string, port: number): string[] {
  const listenState = '0A';
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${wanted}`) && fields[3] === listenState)
    .flatMap((fields) => fields[9] ?? []);
}

/** Who listens on a TCP port, where /proc tells (Linux, own processes or as root). */
export async function portHolder(port: number): Promise<PortHolder | undefined> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  const links = new Set(
    tables.flatMap((table) => listeningInodes(table, port)).map((inode) => `socket:[${inode}]`),
  );
  if (links.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      if (!links.has(target)) continue;
      const program = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '?')).trim();
      return { pid: Number(pid), program };
    }
  }
  return undefined;
}

/**
 * Holds a port on both addresses that `localhost` may mean: a program that has only [::1] would get what is meant for ours, for most
 * clients ask there first. A machine without IPv6 has only the one.
 */
async function holdPort(port: number): Promise<HeldPort | undefined> {
  const servers: Awaited<ReturnType<typeof listen>>[] = [];
  for (const host of ['127.0.0.1', '::1']) servers.push(await listen(port, host));
  const release = async (): Promise<void> => {
    for (const server of servers)
      if (typeof server === 'object') await new Promise((done) => server.close(done));
  };
  if (!servers.includes('taken')) return { port, release };
  await release();
  return undefined;
}

function listen(port: number, host: string): Promise<Server | 'taken' | 'no such address'> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') done('taken');
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') done('no such address');
      else fail(error);
    });
    server.listen({ port, host }, () => done(server));
  });
}
