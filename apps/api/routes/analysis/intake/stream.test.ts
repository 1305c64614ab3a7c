import { randomBytes } from 'node:crypto';
import { type ClientRequest, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { sweepQueries } from '@darkroom/records';
import { alone } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { engineAway, startTestApi, type TestApi } from '../../../testing.ts';

const MB = 1024 ** 2;
const limit = 150 * MB;
const photo = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(MB - 4)]);
const head = '--x\r\ncontent-disposition: form-data; name="file"; filename="large.jpg"\r\n\r\n';

let api: TestApi;
let key: string;
beforeAll(async () => {
  const env = { LIMIT_UPLOAD_BYTES: String(limit), RECEIVING_TIMEOUT_MINUTES: '0.05' };
  api = await startTestApi(env, engineAway);
  ({ key } = await api.key());
}, 60_000);
afterAll(() => api?.close());

interface Reply {
  readonly status: number | undefined;
  readonly body: { readonly task_id: string; readonly code?: string };
}

function open(): { sending: ClientRequest; reply: Promise<Reply> } {
  const sending = request(`${api.url}/analysis`, {
    method: 'POST',
    headers: { authorization: key, 'content-type': 'multipart/form-data; boundary=x' },
  });
  const reply = new Promise<Reply>((resolve, reject) => {
    sending.on('error', reject).on('response', async (message) => {
      const text = (await message.toArray()).join('');
      resolve({ status: message.statusCode, body: JSON.parse(text) });
    });
  });
  return { sending, reply };
}

async function send(
  sending: ClientRequest,
  megabytes: number,
  onSent: (megabytes: number) => void = () => {},
): Promise<void> {
  sending.write(head);
  for (let sent = 0; sent < megabytes; sent++) {
    if (!sending.write(photo)) await new Promise((drained) => sending.once('drain', drained));
    onSent(sent + 1);
  }
  sending.end('\r\n--x--\r\n');
}

async function left(): Promise<{ rows: number; objects: number; uploads: number }> {
  const rows = await api.records.sql`select id from jobs where state = 'receiving'`;
  const count = async (entries: AsyncIterable<unknown>) => {
    let found = 0;
    for await (const _ of entries) found += 1;
    return found;
  };
  return {
    rows: rows.length,
    objects: await count(api.storage.list('input-files/')),
    uploads: await count(api.storage.openUploads('input-files/')),
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error('It did not come to hold within 10 s.');
}

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes of buffers that somebody still refers to. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

/** The same when what tests before have left is gone, in this file and in others: their sockets let go of their buffers some turns later. */
async function restingBytes(): Promise<number> {
  for (let least = heldBytes(); ; ) {
    await sleep(200);
    const now = heldBytes();
    if (now >= least) return now;
    least = now;
  }
}

describe('a large photo', () => {
  beforeEach(() => api.storage.removePrefix('input-files/', alone));

  it('is never held: a few parts of it are', async () => {
    const before = await restingBytes();
    let peak = 0;
    const { sending, reply } = open();
    await send(sending, 150, (megabytes) => {
      if (megabytes % 15 === 0) peak = Math.max(peak, heldBytes() - before);
    });
    const { status, body } = await reply;
    expect(status).toBe(202);
    const { size } = await api.storage.head(`input-files/${body.task_id}/large.jpg`);
    expect(size).toBe(limit);
    expect(peak).toBeGreaterThan(MB);
    expect(peak).toBeLessThan(80 * MB);
  }, 60_000);

  it('is refused at the first byte too many, which its sender gets to know, and leaves nothing', async () => {
    const { sending, reply } = open();
    const [{ status, body }] = await Promise.all([reply, send(sending, 160)]);
    expect(status).toBe(413);
    expect(body.code).toBe('too_large');
    expect(await left()).toEqual({ rows: 0, objects: 0, uploads: 0 });
  }, 60_000);

  it('leaves nothing when its sender goes away', async () => {
    const { sending, reply } = open();
    reply.catch(() => {});
    sending.write(head);
    for (let sent = 0; sent < 30; sent++) sending.write(photo);
    await until(async () => (await left()).uploads === 1);
    expect((await left()).rows).toBe(1);
    sending.destroy();
    await until(async () => {
      const { rows, objects, uploads } = await left();
      return rows + objects + uploads === 0;
    });
  });

  it('may take longer than the sweep waits for one that has stopped', async () => {
    const { sending, reply } = open();
    sending.write(head);
    const slow = async () => {
      for (let sent = 0; sent < 60; sent++) {
        if (!sending.write(photo)) await new Promise((drained) => sending.once('drain', drained));
        await sleep(100);
      }
      sending.end('\r\n--x--\r\n');
    };
    const swept = async (): Promise<number> => {
      const timeoutMs = 0.05 * 60_000;
      const stale = await sweepQueries.staleReceiving(
        api.records.db,
        new Date(Date.now() - timeoutMs),
        '',
        10,
      );
      return stale.length;
    };
    const seen: number[] = [];
    const looking = setInterval(async () => seen.push(await swept()), 200);
    await slow().finally(() => clearInterval(looking));
    expect((await reply).status).toBe(202);
    expect(seen.length).toBeGreaterThan(8);
    expect(Math.max(...seen)).toBe(0);
  }, 60_000);
});
