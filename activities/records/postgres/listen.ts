/** LISTEN over a connection of its own that comes back by itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface Listener {
  readonly onPayload: (payload: string) => void;
  /** Called each time it (again) listens. */
  readonly onListening?: (() => void) | undefined;
}

const retryMs = 500;
/** A connection whose other side vanished without a word is noticed by this question. */
const checkMs = 15_000;

/** Listens until `unlisten`. Resolves after the first try, whether or not Postgres was there. */
export async function listen(
  connection: pg.ClientConfig,
  channel: string,
  listener: Listener,
): Promise<{ unlisten(): Promise<void> }> {
  const stop = new AbortController();
  let current = await connect(connection, channel, listener);
  const kept = keep();

  async function keep(): Promise<void> {
    while (!stop.signal.aborted) {
      await current?.ended;
      await sleep(retryMs, undefined, { signal: stop.signal }).catch(() => {});
      if (!stop.signal.aborted) current = await connect(connection, channel, listener);
    }
    await current?.end();
  }

  return {
    async unlisten() {
      stop.abort();
      await current?.end();
      await kept;
    },
  };
}

interface Connected {
  readonly ended: Promise<void>;
  end(): Promise<void>;
}

async function connect(
  connection: pg.ClientConfig,
  channel: string,
  { onPayload, onListening }: Listener,
): Promise<Connected | undefined> {
  const client = new pg.Client(connection);
  const ended = new Promise<void>((resolve) => client.once('end', resolve));
  client.on('error', () => {}); // `end` follows
  client.on('notification', ({ payload }) => onPayload(payload ?? ''));
  try {
    await client.connect();
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
  } catch {
    await client.end().catch(() => {});
    return undefined;
  }
  const check = setInterval(() => {
    client.query('select 1').catch(() => client.end().catch(() => {}));
  }, checkMs);
  check.unref();
  void ended.then(() => clearInterval(check));
  onListening?.();
  return { ended, end: () => client.end() };
}
