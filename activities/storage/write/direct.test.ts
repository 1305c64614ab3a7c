import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fault, type FaultProxy, startFaultProxy } from '../../../test/harness/fault-proxy.ts';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { createStorage, type Storage, type StorageOptions } from '../index.ts';

let s3: TestS3;
let proxy: FaultProxy;
let storage: Storage;
const open: Storage[] = [];

function storageAt(options: Partial<StorageOptions> = {}): Storage {
  const made = createStorage({
    ...s3,
    endpoint: proxy.endpoint,
    forcePathStyle: true,
    ...options,
  });
  open.push(made);
  return made;
}

beforeAll(async () => {
  s3 = await startS3();
  proxy = await startFaultProxy(s3.endpoint);
});
beforeEach(() => {
  proxy.clear();
  storage = storageAt();
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});
afterAll(async () => {
  await proxy?.stop();
  await s3?.stop();
});

const small = randomBytes(1024);
const stamp = { contentType: 'application/x-stamp' };
const puts = () => proxy.seen.filter(({ method }) => method === 'PUT');
/** Of each PUT whether the SDK sent it: it says so. */
const bySdk = () => puts().map(({ headers }) => /aws-sdk/.test(headers['user-agent'] ?? ''));

/** Puts so many small objects into that store at once, and tells what each request said that it was sent by. */
async function agentsOfPuts(
  store: Server,
  count: number,
  options: Partial<StorageOptions>,
): Promise<string[]> {
  const agents: string[] = [];
  store.on('request', ({ headers }) => agents.push(headers['user-agent'] ?? ''));
  store.listen(0, '127.0.0.1');
  await once(store, 'listening');
  try {
    const address = store.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port was given');
    const endpoint = `http://127.0.0.1:${address.port}`;
    const at = storageAt({ ...options, endpoint });
    const puts = Array.from({ length: count }, (_, n) => at.putBytes(`direct/once/${n}`, small, stamp));
    await Promise.all(puts);
    return agents;
  } finally {
    store.closeAllConnections();
    store.close();
  }
}

describe('a small object', () => {
  it.each(['a', 'ä ö/ü', "it's (1)+[2]!*&=?#.stamp", '%41'])('is put as %j by one request', async (name) => {
    const key = `direct/${name}`;
    const { etag, sha256 } = await storage.putBytes(key, small, stamp);
    expect(await storage.getBytes(key, { maxBytes: 2000 })).toEqual(small);
    expect(await storage.head(key)).toMatchObject({ etag, contentType: stamp.contentType, size: 1024 });
    expect(bySdk()).toEqual([false]);
    expect(puts()[0]?.headers).toMatchObject({
      'x-amz-content-sha256': sha256,
      'x-amz-checksum-crc32': expect.stringMatching(/^[\w+/]{6}==$/),
    });
  });

  it('and one that is empty, too', async () => {
    await storage.putBytes('direct/empty', Buffer.alloc(0), stamp);
    expect(await storage.head('direct/empty')).toMatchObject({ size: 0 });
    expect(bySdk()).toEqual([false]);
  });

  it('that is larger, or is not to replace another, is put by the SDK', async () => {
    await storage.putBytes('direct/large', randomBytes(1_100_000), stamp);
    await storage.putBytes('direct/new', small, { ...stamp, ifNoneMatch: '*' });
    expect(bySdk()).toEqual([true, true]);
  });

  const faults: readonly Fault[] = [
    { kind: 'reset' },
    { kind: 'lose' },
    { kind: 'stall' },
    { kind: 'corrupt-request' },
    { kind: 'status', status: 307, code: 'TemporaryRedirect' },
    { kind: 'status', status: 403, code: 'RequestTimeTooSkewed' },
    { kind: 'status', status: 503, code: 'SlowDown' },
  ];
  it.each(faults)('is put by the SDK after $kind $status', async (fault) => {
    const body = randomBytes(100);
    // Where nothing is to stall, a slow machine is not to look as if it did.
    if (fault.kind === 'stall') storage = storageAt({ transferTimeoutMs: 1500 });
    proxy.inject({ method: 'PUT', times: 1, fault });
    const { etag } = await storage.putBytes('direct/again', body, stamp);
    expect(await storage.getBytes('direct/again', { maxBytes: 200 })).toEqual(body);
    expect(await storage.head('direct/again')).toMatchObject({ etag });
    expect(bySdk()).toEqual([false, true]);
  });

  it('is put once where the store takes longer for it than for other requests', async () => {
    const slow = createServer((asked, answer) => {
      asked.resume();
      asked.once('end', () => setTimeout(() => answer.writeHead(200, { etag: '"slow"' }).end(), 700));
    });
    // The second waits for the first one's connection.
    const agents = await agentsOfPuts(slow, 2, {
      requestTimeoutMs: 100,
      connectTimeoutMs: 600,
      maxSockets: 1,
    });
    expect(agents.map((agent) => /aws-sdk/.test(agent))).toEqual([false, false]);
  });

  it('is put by the SDK where the answer only trickles in', async () => {
    const trickling = createServer((asked, answer) => {
      asked.resume();
      if (/aws-sdk/.test(asked.headers['user-agent'] ?? '')) {
        asked.once('end', () => answer.writeHead(200, { etag: '"sdk"' }).end());
        return;
      }
      answer.writeHead(200, { etag: '"trickle"' });
      const drip = setInterval(() => answer.write('.'), 50);
      answer.once('close', () => clearInterval(drip));
    });
    const agents = await agentsOfPuts(trickling, 1, { transferTimeoutMs: 1500 });
    expect(agents.map((agent) => /aws-sdk/.test(agent))).toEqual([false, true]);
  });

  it('is left to the SDK at once where it had to put three in a row', async () => {
    const refuse = () =>
      proxy.inject({
        method: 'PUT',
        times: 1,
        fault: { kind: 'status', status: 400, code: 'InvalidRequest' },
      });
    const put = () => storage.putBytes('direct/refused', small, stamp);
    refuse();
    await put();
    // One that is taken begins the count anew.
    await put();
    for (let n = 0; n < 3; n++) {
      refuse();
      await put();
    }
    proxy.clear();
    await put();
    expect(bySdk()).toEqual([true]);
  });

  it('that nobody wants any more ends with the reason, and the SDK is not asked', async () => {
    const stop = new AbortController();
    proxy.inject({ method: 'PUT', times: 1, fault: { kind: 'stall' } });
    const put = storage.putBytes('direct/stopped', small, { ...stamp, signal: stop.signal });
    await expect.poll(() => puts().length).toBe(1);
    const reason = new Error('stopped');
    stop.abort(reason);
    await expect(put).rejects.toBe(reason);
    await expect(storage.putBytes('direct/stopped', small, { ...stamp, signal: stop.signal })).rejects.toBe(
      reason,
    );
    expect(bySdk()).toEqual([false]);
  });

  it('carries the token of temporary keys under its signature', async () => {
    const temporary = storageAt({ sessionToken: 'token/+=' });
    await temporary.putBytes('direct/temporary', small, stamp).catch(() => {});
    const { headers } = puts()[0]!;
    expect(headers).toMatchObject({ 'x-amz-security-token': 'token/+=' });
    expect(headers.authorization).toMatch(/SignedHeaders=[^,]*;x-amz-security-token,/);
  });
});
