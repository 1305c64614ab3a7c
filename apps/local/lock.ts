import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A lock that ends with its holder: the kernel frees the name when the process dies, however it dies. */
export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
}

/**
 * Takes the lock on `what` (any string, such as a path) if nobody on this machine holds it.
 * The lock is an abstract Unix socket (Linux); whoever connects is told the holder's pid.
 */
export async function tryLock(what: string): Promise<Lock | undefined> {
  const server = createServer((socket) => socket.on('error', () => {}).end(String(process.pid)));
  const taken = await listen(server, address(what));
  if (!taken) return undefined;
  server.unref();
  const release = () => new Promise<void>((done) => server.close(() => done()));
  return { release, [Symbol.asyncDispose]: release };
}

/** Waits until the lock on `what` is had; `waiting` is called once if another process holds it. */
export async function lock(what: string, waiting: (holder: number | undefined) => void): Promise<Lock> {
  for (let told = false; ; told = true) {
    const held = await tryLock(what);
    if (held) return held;
    if (!told) waiting(await lockHolder(what));
    await sleep(300);
  }
}

/** The pid that holds the lock on `what`, if one does. */
export async function lockHolder(what: string): Promise<number | undefined> {
  return new Promise((done) => {
    const socket = connect(address(what));
    let said = '';
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('data', (chunk) => {
      said += chunk;
    });
    socket.on('error', () => done(undefined));
    socket.on('close', () => done(said ? Number(said) : undefined));
  });
}

function address(what: string): string {
  return `\0darkroom-${createHash('sha256').update(what).digest('hex').slice(0, 32)}`;
}

function listen(server: Server, path: string): Promise<boolean> {
  return new Promise((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') done(false);
      else fail(error);
    });
    server.listen(path, () => done(true));
  });
}
