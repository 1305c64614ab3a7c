import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../../test/harness/fault-proxy.ts';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import { createStorage, type Storage, type StorageOptions } from './index.ts';
import { alone } from './testing.ts';

const MIB = 1024 ** 2;
const IDLE_MS = 200;
/** Where silence is what is tested. Elsewhere no answer is too late, however busy the machine is. */
const impatient = { requestTimeoutMs: IDLE_MS, idleTimeoutMs: IDLE_MS };
/** Long enough on any machine, and short of the test's own time-out. */
const soonMs = 10_000;
const binary = { contentType: 'application/octet-stream' };
const coded = (code: string) => expect.objectContaining({ name: 'StorageError', code });

let s3: TestS3;
let proxy: FaultProxy;
const open: Storage[] = [];

function storageAt(endpoint: string, options: Partial<StorageOptions> = {}): Storage {
  const storage = createStorage({ ...s3, endpoint, forcePathStyle: true, ...options });
  open.push(storage);
  return storage;
}

async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

beforeAll(async () => {
  s3 = await startS3();
  proxy = await startFaultProxy(s3.endpoint);
});
beforeEach(() => proxy.clear());
afterEach(() => {
  for (const storage of open.splice(0)) storage.close();
});
afterAll(async () => {
  await proxy?.stop();
  await s3?.stop();
});

describe('a store with faults', () => {
  const bytes = randomBytes(4 * MIB);
  const all = { maxBytes: bytes.length };

  beforeAll(async () => {
    await storageAt(s3.endpoint).putBytes('faults/x', bytes, binary);
  });

  it('gets no second request that deletes from somebody who lost meanwhile', async () => {
    const storage = storageAt(proxy.endpoint);
    await storage.putBytes('late/x', Buffer.from('x'), binary);
    const lost = new Error('somebody else has taken over');
    let asked = 0;
    const assertHeld = async (): Promise<void> => {
      if (++asked > 1) throw lost;
    };
    proxy.inject({ method: 'POST', times: 1, fault: { kind: 'status', status: 503, code: 'SlowDown' } });
    await expect(storage.removePrefix('late/', { assertHeld })).rejects.toBe(lost);
    expect(asked).toBe(2);
    expect((await storage.head('late/x')).size).toBe(1);
  });

  it.each(['status', 'reset', 'lose'] as const)('is asked again after a passing %s', async (kind) => {
    const fault = kind === 'status' ? ({ kind, status: 503, code: 'ServiceUnavailable' } as const) : { kind };
    const storage = storageAt(proxy.endpoint);
    proxy.inject({ times: 2, fault });
    expect((await storage.getBytes('faults/x', all)).equals(bytes)).toBe(true);
    proxy.inject({ times: 2, fault });
    await storage.putBytes(`faults/${kind}`, bytes, binary);
    expect((await storage.getBytes(`faults/${kind}`, all)).equals(bytes)).toBe(true);
    expect(proxy.requests.length).toBe(7);
  });

  it('that stays out of order is named as such, as retryable', async () => {
    const storage = storageAt(proxy.endpoint, { maxAttempts: 2 });
    proxy.inject({ times: 99, fault: { kind: 'status', status: 500, code: 'InternalError' } });
    await expect(storage.head('faults/x')).rejects.toThrow(
      expect.objectContaining({ code: 'storage_unavailable', retryable: true }),
    );
    expect(proxy.requests.length).toBe(2);
  });

  it.each([
    ['truncated', { kind: 'truncate', afterBytes: MIB }],
    ['shortened', { kind: 'shorten', toBytes: MIB }],
    ['stalled', { kind: 'stall', afterBytes: MIB }],
  ] as const)('gives the rest of a %s body on another connection', async (_what, fault) => {
    const storage = storageAt(proxy.endpoint, fault.kind === 'stall' ? { idleTimeoutMs: IDLE_MS } : {});
    // A range: of a whole object, a shorter answer without a range cannot be told from a shorter object.
    const range = { start: 0, length: bytes.length };
    proxy.inject({ method: 'GET', times: 1, fault });
    const reading = storage.get('faults/x', { range });
    if (fault.kind === 'shorten') {
      await expect(reading).rejects.toThrow(coded('storage_unavailable'));
      return;
    }
    const { stream } = await reading;
    expect(Buffer.concat(await stream.toArray()).equals(bytes)).toBe(true);
    expect(proxy.requests.length).toBeGreaterThan(1);
  });

  it('whose bodies always stall or break is given up', async () => {
    const storage = storageAt(proxy.endpoint, { idleTimeoutMs: IDLE_MS });
    for (const kind of ['stall', 'truncate'] as const) {
      proxy.clear();
      proxy.inject({ method: 'GET', times: 99, fault: { kind, afterBytes: 0 } });
      await expect(storage.getBytes('faults/x', all)).rejects.toThrow(coded('storage_unavailable'));
    }
  });

  it('that damages a byte is found out', async () => {
    const storage = storageAt(proxy.endpoint);
    proxy.inject({ method: 'GET', times: 1, fault: { kind: 'corrupt' } });
    await expect(storage.getBytes('faults/x', all)).rejects.toThrow(
      expect.objectContaining({ code: 'checksum_mismatch', retryable: true }),
    );
  });

  it('takes no byte that was damaged on its way there', async () => {
    const storage = storageAt(proxy.endpoint);
    proxy.inject({ method: 'PUT', times: 1, fault: { kind: 'corrupt-request' } });
    await expect(storage.putBytes('faults/damaged', bytes, binary)).rejects.toThrow(
      coded('checksum_mismatch'),
    );
    await expect(storage.head('faults/damaged')).rejects.toThrow(coded('source_not_found'));
  });

  it('that stalls within a listing is asked again', async () => {
    const storage = storageAt(proxy.endpoint, { idleTimeoutMs: IDLE_MS });
    proxy.inject({ path: /list-type=2/, times: 1, fault: { kind: 'stall', afterBytes: 20 } });
    proxy.inject({ path: /list-type=2/, times: 1, fault: { kind: 'truncate', afterBytes: 20 } });
    let count = 0;
    for await (const _object of storage.list('faults/')) count++;
    expect(count).toBeGreaterThan(0);
    expect(proxy.requests.length).toBeGreaterThanOrEqual(3);
  });

  it('whose answer to a completed upload is lost has the upload all the same', async () => {
    const storage = storageAt(proxy.endpoint);
    const completion = { method: 'POST', path: /uploadId=/, times: 1 };
    proxy.inject({ ...completion, fault: { kind: 'lose' } });
    // What S3 says of an upload that is completed already.
    proxy.inject({ ...completion, fault: { kind: 'status', status: 404, code: 'NoSuchUpload' } });
    const source = Readable.from([Buffer.alloc(9 * MIB, 7)]);
    const written = await storage.uploadStream('lost/x', source, { ...binary, maxBytes: 9 * MIB });
    expect(await storage.head('lost/x', { ifMatch: written.etag })).toMatchObject({ size: 9 * MIB });
  });

  it('that answers 200 with an error within is not believed', async () => {
    const storage = storageAt(proxy.endpoint, { maxAttempts: 1 });
    const fault = { kind: 'ok-error', code: 'InternalError' } as const;
    proxy.inject({ method: 'POST', path: /uploadId=/, times: 1, fault });
    const source = Readable.from([Buffer.alloc(9 * MIB)]);
    const upload = storage.uploadStream('believed/x', source, { ...binary, maxBytes: 9 * MIB });
    await expect(upload).rejects.toThrow(coded('storage_unavailable'));
    proxy.inject({ method: 'PUT', path: /believed/, times: 1, fault });
    await expect(storage.copy('faults/x', 'believed/x')).rejects.toThrow(coded('storage_unavailable'));
    for await (const object of storage.list('believed/')) throw new Error(`${object.uri} is visible`);
    for await (const upload of storage.openUploads('believed/')) throw new Error(`${upload.uri} is open`);
  });

  it('does not have its silence mistaken for that of a slow reader', async () => {
    const storage = storageAt(proxy.endpoint, { idleTimeoutMs: 2 * IDLE_MS });
    const { stream } = await storage.get('faults/x');
    let size = 0;
    for await (const chunk of stream) {
      if (size === 0) await sleep(3 * IDLE_MS);
      size += chunk.length;
    }
    expect(size).toBe(bytes.length);
    expect(proxy.requests.length).toBe(1);
  });
});

describe('connections', () => {
  const bytes = randomBytes(4 * MIB);

  beforeAll(async () => {
    await storageAt(s3.endpoint).putBytes('sockets/x', bytes, binary);
  });

  it('are given back by readers that stop, fail, abort or never begin', async () => {
    const storage = storageAt(proxy.endpoint, { maxSockets: 2, connectTimeoutMs: 5_000, maxAttempts: 1 });
    for (let round = 0; round < 3; round++) {
      const controller = new AbortController();
      const stopped = await storage.get('sockets/x');
      for await (const _chunk of stopped.stream) break;
      const aborted = await storage.get('sockets/x', { signal: controller.signal });
      controller.abort(new Error('cancelled'));
      await expect(aborted.stream.toArray()).rejects.toThrow('cancelled');
      const unread = await storage.get('sockets/x');
      unread.stream.destroy();
      await expect(storage.getBytes('sockets/x', { maxBytes: 1 })).rejects.toThrow(coded('too_large'));
      await expect(storage.get('sockets/none')).rejects.toThrow(coded('source_not_found'));
      await expect(storage.get('sockets/x', { ifMatch: 'x' })).rejects.toThrow(coded('source_changed'));
    }
    await Promise.all([storage.head('sockets/x'), storage.head('sockets/x'), storage.head('sockets/x')]);
  });

  it('are given back by a reader that rests, and taken again when it goes on', async () => {
    const storage = storageAt(proxy.endpoint, {
      maxSockets: 1,
      restTimeoutMs: 100,
      connectTimeoutMs: 5_000,
      maxAttempts: 1,
    });
    const { stream } = await storage.get('sockets/x');
    const parts: Buffer[] = [];
    for await (const chunk of stream) {
      // It waits for the one connection that there is.
      if (parts.length === 0) await storage.head('sockets/x');
      parts.push(chunk);
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    expect(proxy.requests.length).toBeGreaterThanOrEqual(3);
    const forgotten = await storage.get('sockets/x');
    await storage.head('sockets/x');
    expect(forgotten.stream.destroyed).toBe(false);
  });

  it('end at once on abort, even between attempts', async () => {
    const storage = storageAt(proxy.endpoint, { requestTimeoutMs: 60_000, maxAttempts: 50 });
    for (const fault of [{ kind: 'stall' }, { kind: 'status', status: 503, code: 'SlowDown' }] as const) {
      proxy.clear();
      proxy.inject({ times: 99, fault });
      const signal = AbortSignal.timeout(300);
      const took = await millisecondsOf(() =>
        expect(storage.head('sockets/x', { signal })).rejects.toThrow(
          expect.objectContaining({ name: 'TimeoutError' }),
        ),
      );
      expect(took).toBeLessThan(soonMs);
    }
  });
});

describe('a server that hangs', () => {
  const sockets = new Set<Socket>();
  let server: Server;
  let endpoint: string;
  let greeting = '';

  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      socket.on('data', () => {
        if (greeting) socket.write(greeting);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port was given');
    endpoint = `http://127.0.0.1:${address.port}`;
  });
  const noneIsOpen = () => expect.poll(() => sockets.size, { timeout: soonMs }).toBe(0);
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('after accepting is left after the request timeout, whatever was asked', async () => {
    greeting = '';
    const storage = storageAt(endpoint, { ...impatient, maxAttempts: 2, transferTimeoutMs: IDLE_MS });
    const took = await millisecondsOf(async () => {
      await expect(storage.head('x')).rejects.toThrow(coded('storage_unavailable'));
      await expect(storage.get('x')).rejects.toThrow(coded('storage_unavailable'));
      await expect(storage.putBytes('x', Buffer.alloc(100), binary)).rejects.toThrow(
        coded('storage_unavailable'),
      );
      await expect(storage.removePrefix('x/', alone)).rejects.toThrow(coded('storage_unavailable'));
    });
    expect(took).toBeGreaterThan(8 * IDLE_MS * 0.9);
    await noneIsOpen();
  });

  it('after its headers is left after the idle timeout, and keeps no connection', async () => {
    greeting = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "x"\r\n\r\nabc';
    const storage = storageAt(endpoint, { ...impatient, maxAttempts: 2 });
    const { stream } = await storage.get('x');
    const took = await millisecondsOf(() =>
      expect(stream.toArray()).rejects.toThrow(coded('storage_unavailable')),
    );
    expect(took).toBeGreaterThan(IDLE_MS * 0.9);
    await noneIsOpen();
  });

  it('within the body of a reply that is not an object is left too', async () => {
    greeting = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/xml\r\n\r\n<List';
    const storage = storageAt(endpoint, { ...impatient, maxAttempts: 1 });
    await expect(storage.list('x/').next()).rejects.toThrow(coded('storage_unavailable'));
    await noneIsOpen();
  });

  it('fails the ping within its deadline', async () => {
    greeting = '';
    const storage = storageAt(endpoint, { requestTimeoutMs: 60_000 });
    const took = await millisecondsOf(() =>
      expect(storage.ping({ deadlineMs: 200 })).rejects.toThrow(coded('storage_unavailable')),
    );
    expect(took).toBeLessThan(soonMs);
  });
});
