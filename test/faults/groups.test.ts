import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Job } from '@darkroom/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestProcess } from '../harness/process.ts';
import type { Position } from '../kinds/stamps/contract.ts';
import { stampOf } from '../kinds/stamps/core.ts';
import { prepareStamps, stampsOf } from '../kinds/stamps/tables.ts';
import { failpoints, type Platform, readJournal, startPlatform, until } from './platform.ts';

/** Items by group on two workers: no group is on two at a time, stays where it is open, and survives the worker that has it. */

const groups = 20;
const inGroup = 30;
/** In the middle of five of the groups. */
const killers = [301, 305, 309, 313, 317].map(String);
/** Bytes of a stamp. */
const bytes = 64;
/** Activities of a worker at once, as the tests' kind has it. */
const slots = 4;

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform('groups', {}, 'test/kinds/stamps/api-process.ts');
  await prepareStamps(platform.records.db);
  await noteHistory();
}, 300_000);
afterAll(async () => {
  await platform?.close();
}, 180_000);

const start = (points: Parameters<typeof failpoints>[0], ...queues: string[]): Promise<TestProcess> =>
  platform.stack.startWorker(failpoints(points), 'test/kinds/stamps/worker-process.ts', queues);

/** Positions on twenty tiles in turn. */
const positions: readonly Position[] = Array.from({ length: groups * inGroup }, (_, nth) => ({
  name: `p${nth + 1}`,
  x: (nth % 10) * 10_000 + 7,
  y: Math.floor((nth % groups) / 10) * 10_000 + Math.floor(nth / groups),
}));

const submit = async (): Promise<string> => {
  const { status, body } = await platform.ask<Job>('POST', '/v1/stamps', { positions, bytes, pageMs: 10 });
  expect(status).toBe(202);
  return body.id;
};

/** Notes each item that an attempt takes and each end it gives one: the ledger itself keeps the last of both. */
const noteHistory = async (): Promise<void> => {
  const { sql } = platform.records;
  await sql`create table item_history (
    job_id text, group_name text, ordinal integer, claim bigint, state text, at timestamptz default clock_timestamp(),
    primary key (job_id, ordinal, claim, state))`;
  await sql`create function note_item() returns trigger language plpgsql as $$ begin
    insert into item_history values (new.job_id, new.group_name, new.ordinal, new.claim, new.state) on conflict do nothing;
    return null;
  end $$`;
  await sql`create trigger note_item after update of claim, state on job_items for each row execute function note_item()`;
};

interface Span {
  readonly group: string;
  readonly claim: number;
  readonly worker: string;
  readonly outcome: string | null;
  readonly from: number;
  /** Null while it is open. */
  readonly to: number | null;
  /** Items it has taken. */
  readonly items: number;
}

/** All attempts that have taken items, by group and in their order. */
const spansOf = (id: string): Promise<Span[]> =>
  platform.records.sql<{ [K in keyof Span]: Span[K] }>`
    select item.group_name as "group", item.claim::int as claim, attempt.worker, attempt.outcome,
      (extract(epoch from attempt.started_at) * 1000)::float8 as "from",
      (extract(epoch from attempt.finished_at) * 1000)::float8 as "to",
      count(*)::int as items
    from item_history item join job_attempts attempt on attempt.job_id = item.job_id and attempt.claim = item.claim
    where item.job_id = ${id} and item.state = 'running'
    group by 1, 2, 3, 4, 5, 6 order by 1, 5`;

/** Digests of the stamps, and how often each was begun, in the order of the positions. */
const itemsOf = (id: string) =>
  platform.records.sql<{ sha256: string; attempt: number }>`
    select sha256, attempt from job_items where job_id = ${id} and state = 'succeeded' order by key::int`;

const digests = positions.map((place) => createHash('sha256').update(stampOf(place, bytes)).digest('hex'));

/** Items that have been published by somebody, as often as they were. */
const publicationsOf = (id: string) =>
  platform.records.sql<{ ordinal: number; claim: number; at: number }>`
    select ordinal, claim::int as claim, (extract(epoch from at) * 1000)::float8 as at
    from item_history where job_id = ${id} and state = 'succeeded' order by ordinal`;

/** Pairs of attempts at one group that follow one another. */
function neighbours(spans: readonly Span[]): [Span, Span][] {
  return spans.flatMap((span, nth) => {
    const next = spans[nth + 1];
    return next?.group === span.group ? [[span, next] as [Span, Span]] : [];
  });
}

/** Each attempt at a group has ended when the next one begins, whoever was killed or stopped; each item was published once, as it is to be. */
async function expectOneAtATime(id: string): Promise<Span[]> {
  const spans = await spansOf(id);
  expect(neighbours(spans).filter(([{ to }, { from }]) => to === null || from < to)).toEqual([]);
  const published = (await publicationsOf(id)).map(({ ordinal }) => ordinal);
  expect(published).toEqual(Array.from({ length: groups * inGroup }, (_, nth) => nth + 1));
  expect((await itemsOf(id)).map(({ sha256 }) => sha256)).toEqual(digests);
  expect(await stampsOf(platform.records.db, id)).toHaveLength(groups * inGroup);
  return spans;
}

describe('two workers that live', () => {
  // Long enough in hand to be stopped in.
  const points = { 'item.claimed': { delayMs: 100 } };
  let workers: readonly TestProcess[];
  beforeAll(async () => {
    const queues = ['light', 'stamps', 'stamps'];
    workers = await Promise.all(queues.map((queue) => start({ points }, queue)));
  }, 300_000);
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
  }, 180_000);

  test('no group is on both at a time, and it stays where it is open', async () => {
    const id = await submit();
    expect(await platform.ended(id, 300)).toMatchObject({ state: 'succeeded', warnings: 0 });
    const spans = await expectOneAtATime(id);
    expect(new Set(spans.map(({ group }) => group)).size).toBe(groups);
    expect(new Set(spans.map(({ worker }) => worker)).size).toBe(2);
    // But for a worker that was busy for seconds: what it does not take within five is anybody's. By chance it would be half of them.
    const pairs = neighbours(spans);
    expect(pairs.length).toBeGreaterThanOrEqual(groups / 2);
    expect(pairs.filter(([span, next]) => next.worker === span.worker).length).toBeGreaterThan(
      0.75 * pairs.length,
    );
  }, 300_000);

  test('one that is stopped past its time-out and goes on beside its successor has lost the groups it had open', async () => {
    const id = await submit();
    const isOpen = ({ outcome }: Span): boolean => outcome === null;
    /** An open page that only the worker was asked for which had the one before it, with all its items in hand. */
    const inHand = async (): Promise<Span | undefined> => {
      const begun = new Set((await publicationsOf(id)).map(({ claim }) => claim));
      const isRest = ([span, next]: [Span, Span]): boolean => next.worker === span.worker && isOpen(next);
      return neighbours(await spansOf(id)).find((pair) => isRest(pair) && !begun.has(pair[1].claim))?.[1];
    };
    const {
      stopped,
      worker: name,
      claim,
    } = await until(
      async () => {
        const page = await inHand();
        const stopped = workers.find(({ pid }) => page?.worker.endsWith(`/${pid}`));
        stopped?.kill('SIGSTOP');
        // It may have got on meanwhile.
        if (stopped && page && page.claim === (await inHand())?.claim) return { stopped, ...page };
        stopped?.kill('SIGCONT');
        return undefined;
      },
      { seconds: 120, what: 'a worker with the rest of a group in hand' },
    );
    const ofStopped = async (): Promise<Span[]> =>
      (await spansOf(id)).filter((span) => span.worker === name && span.claim <= last);
    const last = Math.max(...(await spansOf(id)).map((span) => span.claim));
    // One time-out for the page, and one for each question of the stopped worker that the engine may still answer with it.
    const taken = await until(
      async () => {
        const spans = await ofStopped();
        return !spans.some(isOpen) && spans;
      },
      { seconds: 40, what: async () => `successors of ${JSON.stringify(await ofStopped())}` },
    ).finally(() => stopped.kill('SIGCONT'));
    expect(taken.find((span) => span.claim === claim)?.outcome).toBe('fenced');
    expect(await platform.ended(id, 240)).toMatchObject({ state: 'succeeded', warnings: 0 });
    expect(await ofStopped()).toEqual(taken);
    const ends = new Map(taken.map((span) => [span.claim, span.to ?? 0]));
    const afterwards = (await publicationsOf(id)).filter(({ claim, at }) => at > (ends.get(claim) ?? at));
    expect(afterwards).toEqual([]);
    await expectOneAtATime(id);
  }, 300_000);
});

test('no group is on two workers at a time, whichever of them is killed, and each item is done once', async () => {
  const journal = join(platform.stack.home, 'groups.journal');
  const finding = ['activity.findGroups', 'activity.findGroups.done'];
  const plans = {
    light: Object.fromEntries(finding.map((point) => [point, { kill: 1, times: 1 }])),
    stamps: { 'item.claimed': { delayMs: 25 }, 'item.before-publish': { killOnce: killers } },
  };
  let stopping = false;
  const living = new Set<TestProcess>();
  const keepOne = async (queue: keyof typeof plans): Promise<void> => {
    while (!stopping) {
      const worker = await start({ seed: 3, journal, points: plans[queue] }, queue);
      living.add(worker);
      if (stopping) await worker.stop();
      await worker.ended;
      living.delete(worker);
    }
  };
  // Apart, or with each worker that dies of an item the engine would wait for it with the workflow, too.
  const working = Promise.all([keepOne('light'), keepOne('stamps'), keepOne('stamps')]);
  const id = await submit();
  const job = await platform.ended(id, 400);
  stopping = true;
  await Promise.all([...living].map((worker) => worker.stop()));
  await working;
  const deaths = (await readJournal(journal)).filter(({ action }) => action.startsWith('kill'));
  const killed = deaths.filter(({ point }) => point === 'item.before-publish').map(({ detail }) => detail);
  expect(killed.sort()).toEqual(killers);
  expect(deaths.map(({ point }) => point)).toEqual(expect.arrayContaining(finding));
  expect(job).toMatchObject({ state: 'succeeded', warnings: 0 });

  const spans = await expectOneAtATime(id);
  // Groups as small as these share pages.
  const attempts = [...Map.groupBy(spans, ({ claim }) => claim).values()];
  const page = Math.max(...attempts.map((of) => of.reduce((sum, { items }) => sum + items, 0)));
  const redone = (await itemsOf(id)).reduce((sum, { attempt }) => sum + attempt - 1, 0);
  expect(redone).toBeGreaterThan(0);
  expect(redone).toBeLessThanOrEqual(killed.length * slots * page);
}, 800_000);
