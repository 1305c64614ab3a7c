import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type CutoutRequest, cutoutAttempts } from '@darkroom/contract';
import { startRecords, type TestRecords } from '@darkroom/records/testing.ts';
import { createStorage, type Storage, StorageError, type StorageOptions } from '@darkroom/storage';
import { keysUnder } from '@darkroom/storage/testing.ts';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fault, type FaultProxy, startFaultProxy } from '../../../test/harness/fault-proxy.ts';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { type MakeFile, makeFileOver } from '../make/made.ts';
import { smallTile } from '../survey/testing.ts';
import { type CutoutActivities, cutoutActivities, storeTimes } from './activities.ts';
import type { RealtimeCall } from './call.ts';
import { claimFile, cutoutKey, cutoutPrefix, fileOf, takeOverFile } from './records/files.ts';

/** The activity over a real store, some of whose answers are faulty, and tiles that change under it. */

const [ra, dec] = [10, 20];
const scale = 1 / 3600;
const pixels = 300;
const config = { cutouts: { cacheBytes: 2 ** 20, memoryBytes: 2 ** 26, keptSeconds: 60 } as never };
const fits = { contentType: 'application/fits' };

let test: TestRecords;
let s3: TestS3;
let proxy: FaultProxy;
let storage: Storage;
const open: Storage[] = [];
const storageAt = (options: Partial<StorageOptions> = {}): Storage => {
  const one = createStorage({ ...s3, forcePathStyle: true, ...options });
  open.push(one);
  return one;
};

beforeAll(async () => {
  [test, s3] = await Promise.all([startRecords(), startS3()]);
  proxy = await startFaultProxy(s3.endpoint);
  storage = storageAt();
});
afterAll(async () => {
  for (const one of open) one.close();
  await proxy?.stop();
  await Promise.all([test?.close(), s3?.stop()]);
});

const tile = (name: string): string => `s3://${s3.bucket}/small/${name}.fits`;
/** Tiles of the same size, whose pixels are unlike each other's. */
const tileOf = (extname: string): Buffer => {
  const bytes = Buffer.from(smallTile([ra, dec], { pixels, scale, extname }));
  if (extname === 'OTHER') for (let at = 5760; at < bytes.length; at += 4) bytes[at] = 66;
  return bytes;
};
let digests = 0;
async function callOf(name: string): Promise<RealtimeCall> {
  const { etag, size: bytes } = await storage.head(tile(name));
  const side = { value: 20, unit: 'px' } as const;
  const request: CutoutRequest = {
    ...{ survey: 'small', ra, dec, size: { width: side, height: side }, format: 'fits' },
    ...{ bands: ['r'], planes: ['image'], mode: 'primary', resampling: 'flux' },
    ...{ compress: 'none', picture: null, grid: null },
  };
  const n = ++digests;
  return {
    digest: `digest-${n}`,
    unit: `unit-${n}`,
    request,
    survey: {
      name: 'small',
      release: '1',
      bands: [{ name: 'r', zeroPoint: null, unit: null }],
      mask: null,
    },
    sources: [
      { tile: name, band: 'r', plane: 'image', uri: tile(name), etag, bytes, hdu: 0, verified: false },
    ],
    leftMs: 60_000,
  };
}
const over = (from: Pick<Storage, 'get'>, make?: MakeFile): CutoutActivities =>
  cutoutActivities({
    records: test.records,
    storage,
    config,
    make: make ?? makeFileOver({ storage: from, records: test.records, config }),
  });

/** As the engine runs it: until it ends, or has had its attempts. How many it took, the row and the file. */
async function made(activities: CutoutActivities, call: RealtimeCall) {
  await claimFile(test.records.db, call);
  let attempt = 1;
  for (; attempt <= cutoutAttempts; attempt++) {
    const environment = new MockActivityEnvironment({ attempt, scheduledTimestampMs: Date.now() });
    const isEnded = await environment.run(activities.makeCutout, call).then(
      () => true,
      () => false,
    );
    if (isEnded) break;
  }
  const row = await fileOf(test.records.db, call.digest);
  const key = cutoutKey(call.unit);
  const file = row?.state === 'succeeded' ? await storage.getBytes(key, { maxBytes: 1e6 }) : undefined;
  return { attempt, row, file };
}

describe('a store whose ranged reads are faulty', () => {
  let right: Buffer;
  let faulty: Storage;
  beforeAll(async () => {
    await storage.putBytes(tile('faulty'), tileOf('IMAGE'), fits);
    right = (await made(over(storage), await callOf('faulty'))).file!;
    const impatient = { requestTimeoutMs: 250, idleTimeoutMs: 250, maxAttempts: 2 };
    faulty = storageAt({ endpoint: proxy.endpoint, ...impatient });
  });
  beforeEach(() => proxy.clear());

  const faults: Record<string, Fault> = {
    'stalls before it answers': { kind: 'stall' },
    'stalls half-way': { kind: 'stall', afterBytes: 1000 },
    'is cut off half-way': { kind: 'truncate', afterBytes: 1000 },
    'gives fewer bytes': { kind: 'shorten', toBytes: 1000 },
    'resets the connection': { kind: 'reset' },
    'answers 503': { kind: 'status', status: 503, code: 'SlowDown' },
    'answers 416': { kind: 'status', status: 416, code: 'InvalidRange' },
    'knows no ranges': { kind: 'whole' },
  };
  it.each(Object.entries(faults))('one read %s: the file is as undisturbed', async (_, fault) => {
    // The first read is of the header, the one behind it of the pixels.
    for (const before of [0, 1]) {
      proxy.clear();
      if (before === 1) {
        const call = await callOf('faulty');
        const make = makeFileOver({ storage: spoiltAt(faulty, 2, fault), records: test.records, config });
        expect((await made(over(faulty, make), call)).file?.equals(right)).toBe(true);
      } else {
        proxy.inject({ path: /faulty/, times: 1, fault });
        expect((await made(over(faulty), await callOf('faulty'))).file?.equals(right)).toBe(true);
      }
      expect(proxy.requests.length).toBeGreaterThan(2);
      expect(proxy.requests.length).toBeLessThan(8);
    }
  });

  // One that gives something each time is gone on with.
  const lasting = { ...faults, 'is cut off half-way': { kind: 'truncate', afterBytes: 0 } as const };
  it.each(Object.entries(lasting).filter(([name]) => !name.startsWith('stalls')))(
    'each read %s: that is told by name, and it is not asked for ever',
    async (_, fault) => {
      proxy.inject({ path: /faulty/, times: Number.POSITIVE_INFINITY, fault });
      const { row, attempt } = await made(over(faulty), await callOf('faulty'));
      expect(row).toMatchObject({
        state: 'failed',
        problem: { code: 'storage_unavailable', retryable: true, detail: expect.stringContaining('faulty') },
      });
      expect(attempt).toBe(cutoutAttempts + 1);
      expect(proxy.requests.length).toBeLessThan(40);
    },
  );

  it('is given less time to be silent than whoever waits has', () => {
    expect(storeTimes({ deadlineSeconds: 10 })).toEqual({ requestTimeoutMs: 2500, idleTimeoutMs: 2500 });
    expect(storeTimes({ deadlineSeconds: 0.1 }).idleTimeoutMs).toBe(1000);
    expect(storeTimes({ deadlineSeconds: 300 }).idleTimeoutMs).toBe(15_000);
  });

  /** Has the proxy do that to the `nth` read. */
  function spoiltAt(from: Storage, nth: number, fault: Fault): Pick<Storage, 'get'> {
    let reads = 0;
    return {
      get: (...args) => {
        if (++reads === nth) proxy.inject({ path: /faulty/, times: 1, fault });
        return from.get(...args);
      },
    };
  }
});

describe('a tile', () => {
  /** Calls `act` before the `nth` read. */
  function actingAt(nth: number, act: () => Promise<unknown>): { reads(): number } & Pick<Storage, 'get'> {
    let reads = 0;
    return {
      reads: () => reads,
      get: async (...args) => {
        if (++reads === nth) await act();
        return storage.get(...args);
      },
    };
  }
  const changes = {
    replaced: () => storage.putBytes(tile('changing'), tileOf('OTHER'), fits),
    removed: () => storage.remove([tile('changing')], { assertHeld: async () => {} }),
  };

  it.each(Object.entries(changes))(
    '%s between any two reads of a cut: no pixel of another file, and its name is told',
    async (_, change) => {
      await storage.putBytes(tile('changing'), tileOf('IMAGE'), fits);
      const counting = actingAt(0, async () => {});
      const call = await callOf('changing');
      const { file: right } = await made(over(counting), call);
      const reads = counting.reads();
      expect(reads).toBeGreaterThan(1);
      for (let nth = 1; nth <= reads + 1; nth++) {
        await storage.putBytes(tile('changing'), tileOf('IMAGE'), fits);
        const { row, file, attempt } = await made(over(actingAt(nth, change)), await callOf('changing'));
        if (nth > reads) expect(file?.equals(right!)).toBe(true);
        else
          expect(row).toMatchObject({
            state: 'failed',
            problem: {
              code: 'source_changed',
              retryable: false,
              detail: expect.stringMatching(/changing\.fits.*index/s),
            },
          });
        expect(attempt).toBe(1);
      }
      // Nor from what a worker remembers of the file that was.
      await storage.putBytes(tile('changing'), tileOf('IMAGE'), fits);
      const warm = over(storage);
      const before = await callOf('changing');
      expect((await made(warm, before)).file).toBeDefined();
      await change();
      const later = { ...before, digest: `${before.digest}-later`, unit: `${before.unit}-later` };
      expect((await made(warm, later)).row?.problem?.code).toBe('source_changed');
    },
  );

  it.each([
    ['before what is read', 100_000, 'storage_unavailable'],
    ['within what is read', 180_000, 'corrupt_tile'],
  ])('cut short where it lies, %s, is named and gives no pixels', async (_, length, code) => {
    await storage.putBytes(tile('short'), tileOf('IMAGE'), fits);
    const call = await callOf('short');
    // What the store says of it is as before.
    await truncate(join(s3.directory!, s3.bucket, 'small/short.fits'), length);
    const { row } = await made(over(storage), call);
    const detail = expect.stringContaining('short.fits');
    expect(row).toMatchObject({ state: 'failed', problem: { code, detail } });
  });
});

it('what was taken over meanwhile puts no file and changes no row', async () => {
  await storage.putBytes(tile('taken'), tileOf('IMAGE'), fits);
  const call = await callOf('taken');
  const { file: claimed } = await claimFile(test.records.db, call);
  const make = makeFileOver({ storage, records: test.records, config });
  const activities = over(storage, async (...args) => {
    const file = await make(...args);
    await takeOverFile(test.records.db, claimed, 'another');
    return file;
  });
  await new MockActivityEnvironment({ scheduledTimestampMs: Date.now() }).run(activities.makeCutout, call);
  expect(await fileOf(test.records.db, call.digest)).toMatchObject({ state: 'making', unit: 'another' });
  expect(await keysUnder(storage, cutoutPrefix)).not.toContain(cutoutKey(call.unit));
});

it('what waited in the queue for longer than anybody waits is not begun', async () => {
  const call = { ...(await callOf('taken')), leftMs: 1000 };
  await claimFile(test.records.db, call);
  const activities = over(storage, () => Promise.reject(new StorageError('invalid_uri', 'begun')));
  const old = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() - 60_000 });
  await old.run(activities.makeCutout, call);
  expect(await fileOf(test.records.db, call.digest)).toMatchObject({
    state: 'failed',
    problem: { code: 'deadline_exceeded' },
  });
});
