/** The deadline of work on the records: it ends what the work has under way in Postgres, and tells where a COMMIT stayed unanswered. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { connect } from 'node:net';
import type pg from 'pg';
import type { Queryable } from './traced.ts';

/** What runs under one deadline. */
interface Scope {
  /** Aborts at the deadline, of the scope or of one around it. */
  readonly signal: AbortSignal;
  /** COMMITs that were sent and not answered, of the outermost scope and all within it. */
  readonly commits: { unanswered: number };
  over: boolean;
}

const current = new AsyncLocalStorage<Scope>();

/** The scope that the caller runs in. What was begun in one and outlives it is free of it, unless its deadline has passed. */
function currentScope(): Scope | undefined {
  const scope = current.getStore();
  return scope?.over === true && !scope.signal.aborted ? undefined : scope;
}

/**
 * Runs `work`. After `deadlineMs`, or at the deadline of a scope around this one, the connections it holds are closed and their statements
 * cancelled, so that nothing of it is committed later; then rejects with `expired(unanswered)`, where `unanswered` says that a COMMIT
 * was on its way: whether that one counts, only the rows can tell.
 */
export async function withinDeadline<R>(
  deadlineMs: number,
  expired: (commitUnanswered: boolean) => Error,
  work: () => Promise<R>,
): Promise<R> {
  const outer = currentScope();
  const own = new AbortController();
  const commits = outer?.commits ?? { unanswered: 0 };
  const signal = outer === undefined ? own.signal : AbortSignal.any([own.signal, outer.signal]);
  const scope: Scope = { signal, commits, over: false };
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = expired(commits.unanswered > 0);
      own.abort(error);
      reject(error);
    }, deadlineMs);
  });
  try {
    return await Promise.race([current.run(scope, work), deadline]);
  } finally {
    clearTimeout(timer);
    scope.over = true;
  }
}

/** Lends a connection of the pool to `work`. It is closed instead of given back when `isBroken` says so, or when the scope's deadline passes. */
export async function withClient<R>(
  pool: pg.Pool,
  isBroken: (error: unknown) => boolean,
  work: (client: pg.PoolClient) => Promise<R>,
): Promise<R> {
  const signal = currentScope()?.signal;
  signal?.throwIfAborted();
  const client = await pool.connect();
  let released = false;
  const release = (broken: boolean): void => {
    if (!released) client.release(broken);
    released = true;
  };
  const cut = (): void => {
    cancelStatement(client);
    release(true);
  };
  if (signal?.aborted) {
    release(false);
    throw signal.reason;
  }
  signal?.addEventListener('abort', cut, { once: true });
  let broken = false;
  try {
    return await work(client);
  } catch (error) {
    broken = isBroken(error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', cut);
    release(broken);
  }
}

/** A client that counts its COMMIT as unanswered in the current scope until the server has said what became of it. */
export class CommitWatch implements Queryable {
  readonly #client: Queryable;
  readonly #isLost: (error: unknown) => boolean;
  /** Whether a COMMIT was sent whose outcome the server has not told. */
  unanswered = false;

  constructor(client: Queryable, isLost: (error: unknown) => boolean) {
    this.#client = client;
    this.#isLost = isLost;
  }

  async query(config: pg.QueryConfig, values: unknown[]): Promise<pg.QueryResult> {
    if (config.text !== 'commit') return await this.#client.query(config, values);
    const commits = currentScope()?.commits ?? { unanswered: 0 };
    this.unanswered = true;
    commits.unanswered++;
    try {
      const result = await this.#client.query(config, values);
      this.unanswered = false;
      return result;
    } catch (error) {
      this.unanswered = this.#isLost(error);
      throw error;
    } finally {
      if (!this.unanswered) commits.unanswered--;
    }
  }
}

/**
 * Sends a CancelRequest (PostgreSQL protocol 3.0, 53.2.8) for what the connection runs, so that a statement that waits for a lock or works
 * on ends with its connection and not at its statement_timeout. Best effort: an answer is not part of the protocol.
 */
function cancelStatement(client: pg.PoolClient): void {
  const { host, port, processID, secretKey } = client as unknown as {
    host: string;
    port: number;
    processID: number | null;
    secretKey: number | null;
  };
  if (typeof processID !== 'number' || typeof secretKey !== 'number') return;
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(80_877_102, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.setTimeout(5000, () => socket.destroy());
  socket.on('error', () => {});
  socket.unref();
  socket.end(request);
}
