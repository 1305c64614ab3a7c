import { setTimeout as sleep } from 'node:timers/promises';
import type { PageReport } from '@darkroom/contract';
import { claimItems, type Fence, getJobRow, type ItemRow, readPage } from '@darkroom/records';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { attemptAt, startRecords, submitted, type TestRecords, toy } from '../../records/testing.ts';
import type { Attempt, FrameDeps } from '../attempt/attempt.ts';
import { depsOver } from '../testing.ts';
import { workPage } from './page.ts';

/** Items of kinds that take hours, beside a suspect one that is to be alone. */

let house: TestRecords;
let deps: FrameDeps;
beforeAll(async () => {
  house = await startRecords();
  deps = depsOver(house, { kinds: { toy, slow: { ...toy, kind: 'slow', longest: '3 hours' } } });
});
afterAll(() => house.close());

async function jobOf(kind: string, items = 1): Promise<string> {
  const id = await submitted(house.records, { items });
  await house.records.sql`update jobs set kind = ${kind} where id = ${id}`;
  return id;
}

interface Page {
  readonly from?: number;
  readonly items?: number;
  /** Waited for in the transaction that writes the end of an item. */
  readonly record?: (row: ItemRow) => Promise<void> | undefined;
  readonly workPage?: typeof workPage;
}

async function work(
  fence: Fence,
  item: (row: ItemRow) => Promise<void>,
  { from = 1, items = 1, record = () => undefined, workPage: walk = workPage }: Page = {},
): Promise<PageReport> {
  const job = (await getJobRow(house.records.db, fence.jobId))!;
  const attempt = {
    deps,
    call: { jobId: fence.jobId, run: fence.run, stage: 'work' },
    fence,
    job,
    signal: new AbortController().signal,
    log: { line() {} },
    progress: { reached() {}, ended() {}, ordinalOf: () => 1, close: async () => {} },
  } as unknown as Attempt;
  return await new MockActivityEnvironment().run<[], PageReport, () => Promise<PageReport>>(() =>
    walk(
      attempt,
      { from, to: 1 + items },
      {
        stage: 'work',
        lastStage: 'work',
        concurrency: items,
        budgetMs: 1000,
        inputDigest: () => 'd',
        work: async (row) => {
          await item(row);
          return { objects: [], record: async () => await record(row) };
        },
      },
    ),
  );
}

test('nobody who has to be alone waits for them, and they wait for nobody', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const slow = work(await attemptAt(house.records, await jobOf('slow')), async () => {
    begin();
    await released;
  });
  await begun;

  // Attempts died under this one as often as it may be tried beside others.
  const suspect = await jobOf('toy');
  const { attempts } = deps.config.items;
  for (let attempt = 1; attempt <= attempts; attempt++)
    await claimItems(house.records.db, await attemptAt(house.records, suspect, { attempt }), 'work', [1]);
  let alone = false;
  const report = await work(await attemptAt(house.records, suspect, { attempt: attempts + 1 }), async () => {
    alone = true;
    // One that begins meanwhile does not wait either.
    await work(await attemptAt(house.records, await jobOf('slow')), async () => {});
  });
  expect(alone).toBe(true);
  expect(report.next).toBe(null);
  release();
  expect((await slow).next).toBe(null);
});

test('who has to be alone begins once what was done before is written: its death is none of theirs', async () => {
  const id = await jobOf('toy', 2);
  for (let attempt = 1; attempt <= deps.config.items.attempts; attempt++)
    await claimItems(house.records.db, await attemptAt(house.records, id, { attempt }), 'work', [1, 2]);
  const stateOf = async (ordinal: number) =>
    (await readPage(house.records.db, id, 'work', ordinal, ordinal + 1))[0]?.state;
  const next = Promise.withResolvers<void>();
  let first: string | undefined;
  const attempt = await attemptAt(house.records, id, { attempt: deps.config.items.attempts + 1 });
  await work(
    attempt,
    async ({ ordinal }) => {
      if (ordinal === 1) return;
      next.resolve();
      first = await stateOf(1);
    },
    // The end of the first is not written until the second begins, or could have for long.
    {
      items: 2,
      record: ({ ordinal }) => (ordinal === 1 ? Promise.race([next.promise, sleep(500)]) : undefined),
    },
  );
  expect(first).toBe('succeeded');
});

test('those of such a kind that have to be alone have a page each: what waited for hours would run out of its time', async () => {
  const suspectTwo = async (kind: string): Promise<string> => {
    const id = await jobOf(kind, 3);
    for (let attempt = 1; attempt <= deps.config.items.attempts; attempt++)
      await claimItems(house.records.db, await attemptAt(house.records, id, { attempt }), 'work', [1, 2]);
    return id;
  };
  const nextOf = async (id: string, attempt: number): Promise<number | null> =>
    (await work(await attemptAt(house.records, id, { attempt }), async () => {}, { items: 3 })).next;
  const slow = await suspectTwo('slow');
  expect([await nextOf(slow, 4), await nextOf(slow, 5), await nextOf(slow, 6)]).toEqual([2, 3, null]);
  expect(await nextOf(await suspectTwo('toy'), 4)).toBe(null);
});

test('what was claimed and is left to the next page is not in hand while the others of its page are, for hours', async () => {
  const id = await jobOf('slow', 3);
  for (let attempt = 1; attempt <= deps.config.items.attempts; attempt++)
    await claimItems(house.records.db, await attemptAt(house.records, id, { attempt }), 'work', [1]);
  const over = Promise.withResolvers<void>();
  const page = work(await attemptAt(house.records, id, { attempt: 4 }), () => over.promise, { items: 3 });
  const states = async () =>
    (await readPage(house.records.db, id, 'work', 1, 4)).map(({ state, claim }) => [state, claim > 3]);
  await expect.poll(states).toEqual([
    ['running', true],
    ['pending', true],
    ['pending', true],
  ]);
  over.resolve();
  expect((await page).next).toBe(2);
});

describe('a process that dies under items of such a kind', () => {
  const most = 3;

  /** Is like a process: what waits for each other in it is its own, and when it dies nothing of it goes on. */
  async function newProcess() {
    vi.resetModules();
    const { workPage: walk } = await import('./page.ts');
    const death = Promise.withResolvers<'died'>();
    const untilDead = new Promise<never>(() => {});
    let dead = false;
    return {
      die: () => {
        dead = true;
        death.resolve('died');
        return untilDead;
      },
      /** A page and its rests, to their end or the death of the process. */
      page: async (fence: Fence, item: (row: ItemRow) => Promise<void>, items = 1) => {
        const act = async (row: ItemRow) => item(row).then(() => (dead ? untilDead : undefined));
        const toEnd = async (): Promise<'done'> => {
          for (let from: number | null = 1; from !== null; )
            from = (await work(fence, act, { from, items, workPage: walk })).next;
          return 'done';
        };
        return Promise.race([death.promise, toEnd()]);
      },
    };
  }
  const itemsOf = async (id: string) => readPage(house.records.db, id, 'work', 1, 100);

  test('is blamed on the one that kills it, not on those beside it', async () => {
    const id = await jobOf('slow', 4);
    let [attempt, end] = [0, 'died'];
    while (end === 'died' && attempt < 10) {
      const { die, page } = await newProcess();
      const fence = await attemptAt(house.records, id, { attempt: ++attempt });
      end = await page(
        fence,
        async ({ ordinal }) => {
          await sleep(ordinal === 2 ? 20 : 100);
          if (ordinal === 2) await die();
        },
        4,
      );
    }
    const items = await itemsOf(id);
    expect(items.map(({ state }) => state)).toEqual(['succeeded', 'failed', 'succeeded', 'succeeded']);
    expect(items[1]?.problem).toMatchObject({
      code: 'poisonous_item',
      detail: `The process died ${most + 1} times under this item, the last time under it alone.`,
    });
    expect(Math.max(...items.map(({ deaths }) => deaths))).toBe(most + 1);
  }, 60_000);

  /** A job of one item under which processes have died as often as it may be tried beside others. */
  async function suspectOf(kind: string): Promise<string> {
    const id = await jobOf(kind);
    for (let attempt = 1; attempt <= most; attempt++)
      await claimItems(house.records.db, await attemptAt(house.records, id, { attempt }), 'work', [1]);
    return id;
  }

  test.each(['before', 'after'])(
    'by a photo begun %s one that is suspect: the photo is blamed alone',
    async (when) => {
      const [slow, photo] = [await suspectOf('slow'), await jobOf('toy')];
      let [attempt, end] = [0, 'died'];
      while (end === 'died' && attempt < 10) {
        attempt++;
        const { die, page } = await newProcess();
        const [slowBegan, photoBegan] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const over = Promise.withResolvers<void>();
        const slowPage = async () =>
          page(await attemptAt(house.records, slow, { attempt: most + attempt }), () => {
            slowBegan.resolve();
            return over.promise;
          });
        const photoPage = async () =>
          page(await attemptAt(house.records, photo, { attempt }), async () => {
            photoBegan.resolve();
            await slowBegan.promise;
            await die();
          });
        const first = when === 'before' ? photoPage() : slowPage();
        // Once the photo has ended by its name it does not begin.
        await Promise.race([when === 'before' ? photoBegan.promise : slowBegan.promise, first]);
        const second = when === 'before' ? slowPage() : photoPage();
        end = await (when === 'before' ? first : second);
        over.resolve();
        await Promise.all([first, second]);
      }
      expect(await itemsOf(photo)).toMatchObject([{ state: 'failed', problem: { code: 'poisonous_item' } }]);
      expect(await itemsOf(slow)).toMatchObject([{ state: 'succeeded' }]);
      expect(attempt).toBe(most + 2);
    },
    60_000,
  );

  test('is told of who begins beside a suspect by whoever comes next, where the records could not be told', async () => {
    const { sql } = house.records;
    const { page } = await newProcess();
    const slow = await suspectOf('slow');
    const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slowPage = page(await attemptAt(house.records, slow, { attempt: most + 1 }), () => {
      begun.resolve();
      return over.promise;
    });
    await begun.promise;
    const photoPage = async () => page(await attemptAt(house.records, await jobOf('toy')), async () => {});
    await sql`create function be_away() returns trigger language plpgsql as $$ begin
      raise exception using errcode = 'cannot_connect_now';
    end $$`;
    await sql`create trigger away before update on job_items for each row when (new.alone = false) execute function be_away()`;
    await expect(photoPage()).rejects.toThrow();
    await sql`drop function be_away cascade`;
    expect(await photoPage()).toBe('done');
    expect(await itemsOf(slow)).toMatchObject([{ alone: false }]);
    over.resolve();
    await slowPage;
  }, 60_000);

  test('is blamed on one that never was alone after many more times, and not as if it had been alone', async () => {
    const slow = await suspectOf('slow');
    let [attempt, end] = [most, 'died'];
    while (end === 'died' && attempt < 20) {
      const { die, page } = await newProcess();
      const photoBegan = Promise.withResolvers<void>();
      const over = Promise.withResolvers<void>();
      const photo = page(await attemptAt(house.records, await jobOf('toy')), () => {
        photoBegan.resolve();
        return over.promise;
      });
      await photoBegan.promise;
      end = await page(await attemptAt(house.records, slow, { attempt: ++attempt }), die);
      over.resolve();
      await photo;
    }
    expect(await itemsOf(slow)).toMatchObject([
      {
        state: 'failed',
        problem: {
          detail: `The process died ${3 * most + 1} times under this item, the last time beside one of another kind.`,
        },
      },
    ]);
  }, 60_000);
});
