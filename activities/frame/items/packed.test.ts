import { hash } from 'node:crypto';
import type { PageReport } from '@darkroom/contract';
import { beginEnding, type Fence, getJobRow, type ItemRow, readPage } from '@darkroom/records';
import type { Storage } from '@darkroom/storage';
import { alone, keysUnder } from '@darkroom/storage/testing.ts';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { attemptAt, submitted } from '../../records/testing.ts';
import type { Attempt, FrameDeps } from '../attempt/attempt.ts';
import { removeUnnamedPacks, removeUnpublished } from '../end/clean-up.ts';
import { redoMissing } from '../end/missing.ts';
import { startFrame, type TestFrame } from '../testing.ts';
import { workPage } from './page.ts';

/** Items whose files are stored as packs. */

let frame: TestFrame;
let storage: Storage;
let deps: FrameDeps;
beforeAll(async () => {
  frame = await startFrame();
  ({ storage, deps } = frame);
});
afterAll(() => frame?.close());

const bodyOf = (ordinal: number): Buffer => Buffer.from(`item ${ordinal}\n`.repeat(ordinal));
const packsOf = (jobId: string): string => `out/${jobId}/packs/`;

interface Way {
  readonly packed?: boolean;
  readonly signal?: AbortSignal;
  readonly storage?: Storage;
  readonly work?: (row: ItemRow) => Promise<void> | void;
  readonly workPage?: typeof workPage;
}

function attemptOf(fence: Fence, job: Attempt['job'], way: Way = {}): Attempt {
  return {
    deps: { ...deps, storage: way.storage ?? storage },
    call: { jobId: fence.jobId, run: fence.run, stage: 'work' },
    fence,
    job,
    signal: way.signal ?? new AbortController().signal,
    log: { line() {} },
    progress: { reached() {}, ended() {}, goesOn() {}, ordinalOf: () => 1, close: async () => {} },
    assertHeld: async () => {},
  } as unknown as Attempt;
}

async function page(fence: Fence, items: number, way: Way = {}): Promise<PageReport> {
  const { packed = true, work = () => {}, workPage: walk = workPage } = way;
  const attempt = attemptOf(fence, (await getJobRow(deps.records.db, fence.jobId))!, way);
  const ended = Promise.withResolvers<PageReport>();
  const run = () =>
    walk(
      attempt,
      { from: 1, to: 1 + items },
      {
        stage: 'work',
        lastStage: 'work',
        concurrency: 4,
        budgetMs: 60_000,
        packsUnder: packed ? packsOf(fence.jobId) : undefined,
        inputDigest: () => 'd',
        work: async (row) => {
          await work(row);
          const { ordinal } = row;
          const key = `out/${fence.jobId}/${ordinal}`;
          const object = { key, path: `${ordinal}.txt`, body: bodyOf(ordinal), contentType: 'text/plain' };
          return { objects: [object] };
        },
      },
    ).then(ended.resolve, ended.reject);
  await new MockActivityEnvironment().run(run);
  return ended.promise;
}

const itemsOf = (jobId: string) => readPage(deps.records.db, jobId, 'work', 1, 1000);
const keysOf = (jobId: string) => keysUnder(storage, `out/${jobId}/`);

/** The SHA-256 of what the store has of each item, in their order; proves that the ledger tells the same. */
async function contentOf(jobId: string): Promise<(string | undefined)[]> {
  const digests: (string | undefined)[] = [];
  const rows = await deps.records.sql`select files from job_items where job_id = ${jobId} order by ordinal`;
  for (const { files } of rows) {
    const [file] = files ?? [];
    if (file === undefined) {
      digests.push(undefined);
      continue;
    }
    const bytes = await storage.getBytes(file.uri, { maxBytes: 1e7 });
    const { start, length } = file.range ?? { start: 0, length: bytes.length };
    const own = bytes.subarray(start, start + length);
    expect([own.length, hash('sha256', own)]).toEqual([file.bytes, file.sha256]);
    digests.push(file.sha256);
  }
  return digests;
}

const wanted = (count: number) => Array.from({ length: count }, (_, i) => hash('sha256', bodyOf(i + 1)));

test('many come to few objects, with the digests that they have as objects of their own', async () => {
  const [one, other] = [
    await submitted(deps.records, { items: 300 }),
    await submitted(deps.records, { items: 300 }),
  ];
  await page(await attemptAt(deps.records, one), 300);
  await page(await attemptAt(deps.records, other), 300, { packed: false });
  expect(await keysOf(other)).toHaveLength(300);
  const packs = await keysOf(one);
  expect(packs.length).toBeGreaterThanOrEqual(3);
  expect(packs.length).toBeLessThan(20);
  expect(await contentOf(one)).toEqual(wanted(300));
  expect(await contentOf(other)).toEqual(wanted(300));
}, 60_000);

test('one that fails leaves its neighbours their pack', async () => {
  const id = await submitted(deps.records, { items: 10 });
  const report = await page(await attemptAt(deps.records, id), 10, {
    work: ({ ordinal }) => {
      if (ordinal === 4) throw new Error('no');
    },
  });
  expect(report.next).toBeNull();
  expect((await itemsOf(id)).map(({ state }) => state === 'succeeded')).toEqual(
    Array.from({ length: 10 }, (_, i) => i !== 3),
  );
  expect(await contentOf(id)).toEqual(wanted(10).with(3, undefined as unknown as string));
});

test('an attempt that is told to stop writes no pack any more, and gives its items back', async () => {
  const id = await submitted(deps.records, { items: 8 });
  const stop = new AbortController();
  const stopped = page(await attemptAt(deps.records, id), 8, {
    signal: stop.signal,
    work: ({ ordinal }) => {
      if (ordinal === 6) stop.abort(new Error('stopped'));
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
  expect(await keysOf(id)).toEqual([]);
  expect((await itemsOf(id)).map(({ state }) => state)).toEqual(Array(8).fill('pending'));
});

test('an attempt that was overtaken before its pack was written writes none', async () => {
  const id = await submitted(deps.records, { items: 4 });
  const fence = await attemptAt(deps.records, id);
  const overtaken = page(fence, 4, {
    work: async ({ ordinal }) => {
      if (ordinal === 4) await attemptAt(deps.records, id, { attempt: 2 });
    },
  });
  await expect(overtaken).rejects.toThrow();
  expect(await keysOf(id)).toEqual([]);
});

test('an outage of the store is none of the items: they are given back', async () => {
  const id = await submitted(deps.records, { items: 6 });
  const away = {
    ...storage,
    putBytes: () => Promise.reject(Object.assign(new Error('away'), { code: 'storage_unavailable' })),
  } as unknown as Storage;
  await page(await attemptAt(deps.records, id), 6, { storage: away }).catch(() => {});
  const { attempts } = deps.config.items;
  expect((await itemsOf(id)).every(({ deaths }) => deaths < attempts)).toBe(true);
  await page(await attemptAt(deps.records, id, { attempt: 2 }), 6);
});

describe('a process that dies', () => {
  /** Is like a process: what waits in it is its own, and when it dies nothing of it goes on. */
  async function newProcess({ diesOnceWritten = false } = {}) {
    vi.resetModules();
    const { workPage: walk } = await import('./page.ts');
    const death = Promise.withResolvers<'died'>();
    const untilDead = new Promise<never>(() => {});
    let dead = false;
    const die = (): Promise<never> => {
      dead = true;
      death.resolve('died');
      return untilDead;
    };
    const store = {
      ...storage,
      putBytes: async (...given: Parameters<Storage['putBytes']>) => {
        const written = dead ? undefined : await storage.putBytes(...given);
        return written === undefined || diesOnceWritten ? await die() : written;
      },
    };
    return {
      die,
      page: (fence: Fence, items: number, way: Way) =>
        Promise.race([
          death.promise,
          page(fence, items, { storage: store, ...way, workPage: walk }).then(() => 'done' as const),
        ]),
    };
  }

  test('between a pack and the rows that name it has its items made again, and the pack goes at the end', async () => {
    const id = await submitted(deps.records, { items: 12 });
    const first = await newProcess({ diesOnceWritten: true });
    expect(await first.page(await attemptAt(deps.records, id), 12, {})).toBe('died');
    expect(await keysOf(id)).toHaveLength(1);
    expect((await itemsOf(id)).every(({ state }) => state === 'running')).toBe(true);
    const fence = await attemptAt(deps.records, id, { attempt: 2 });
    expect(await (await newProcess()).page(fence, 12, {})).toBe('done');
    expect(await contentOf(id)).toEqual(wanted(12));
    const attempt = attemptOf(fence, (await getJobRow(deps.records.db, id))!);
    await removeUnnamedPacks(attempt, packsOf(id));
    const named = await deps.records.sql`
      select distinct file ->> 'uri' as uri from job_items, jsonb_array_elements(files) as file where job_id = ${id}`;
    const kept = (await keysOf(id)).map((key) => `s3://${storage.bucket}/${key}`);
    expect(kept.sort()).toEqual(named.map(({ uri }) => uri).sort());
    expect(await contentOf(id)).toEqual(wanted(12));
  }, 60_000);

  test('of an item ends that one alone: those that waited in its pack are no more suspect than others', async () => {
    const id = await submitted(deps.records, { items: 40 });
    let [attempt, end] = [0, 'died'];
    while (end === 'died' && attempt < 10) {
      const { die, page: of } = await newProcess();
      end = await of(await attemptAt(deps.records, id, { attempt: ++attempt }), 40, {
        work: async ({ ordinal }) => {
          if (ordinal === 30) await die();
        },
      });
    }
    const items = await itemsOf(id);
    expect(items.filter(({ state }) => state !== 'succeeded')).toMatchObject([
      { ordinal: 30, state: 'failed', problem: { code: 'poisonous_item' } },
    ]);
    // Those that wait are in hand the first time alone.
    expect(items.filter(({ deaths }) => deaths > 1).length).toBeLessThan(20);
    expect(await contentOf(id)).toEqual(wanted(40).with(29, undefined as unknown as string));
  }, 120_000);
});

test('a pack that the store has lost has all of its items made again, one that is cut short those behind the cut', async () => {
  const id = await submitted(deps.records, { items: 5 });
  const fence = await attemptAt(deps.records, id);
  await page(fence, 5);
  const attempt = attemptOf(fence, (await getJobRow(deps.records.db, id))!);
  expect(await redoMissing(attempt, [])).toBe(0);
  const [key] = await keysOf(id);
  const whole = await storage.getBytes(key!, { maxBytes: 1e6 });
  await storage.putBytes(key!, whole.subarray(0, whole.length - 1), { contentType: 'a/b' });
  expect(await redoMissing(attempt, [])).toBe(1);
  await storage.remove([key!], alone);
  expect(await redoMissing(attempt, [])).toBe(4);
  await page(await attemptAt(deps.records, id, { attempt: 2 }), 5);
  expect(await contentOf(id)).toEqual(wanted(5));
});

test('of a job that was cancelled the packs stay that its finished items lie in, and others go', async () => {
  const id = await submitted(deps.records, { items: 5 });
  await page(await attemptAt(deps.records, id), 5);
  await storage.putBytes(`${packsOf(id)}other`, Buffer.from('other'), { contentType: 'a/b' });
  const ending = await beginEnding(deps.records.db, { jobId: id, run: 1 });
  await removeUnpublished(deps, 'toy', ending!, new AbortController().signal);
  expect(await keysOf(id)).toHaveLength(1);
  expect(await contentOf(id)).toEqual(wanted(5));
});
