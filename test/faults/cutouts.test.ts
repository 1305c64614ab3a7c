import { random as randomOf } from '@darkroom/media/testing/film/pictures.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Asked, ask, askMeanwhile, type Crowd, faultsOf, tally } from './cutouts/crowd.ts';
import { type House, openHouse } from './cutouts/house.ts';
import { outageOf, until } from './platform.ts';

/** Cutouts that many wait for, while those who make them die, stop, or have nothing to make them with. */

let house: House;
/** By query, the SHA-256 of its file undisturbed. */
const right = new Map<string, string>();
/** Every request so far. */
const asked: Asked[] = [];
const crowd: Crowd = { clients: 6, least: 40, random: randomOf(7) };

beforeAll(async () => {
  house = await openHouse();
}, 300_000);
afterAll(async () => {
  await house?.close();
}, 180_000);

async function crowdOf(meanwhile: () => Promise<unknown>): Promise<Asked[]> {
  const all = await askMeanwhile(house, crowd, meanwhile);
  asked.push(...all);
  expect(faultsOf(all, right)).toEqual([]);
  return all;
}

/** Nothing is being made, and no request runs that is not lost. */
async function expectRest(lost = 0): Promise<void> {
  const isAtRest = async (): Promise<boolean> => {
    const { files, requests } = await house.unfinished();
    return files === 0 && requests <= lost;
  };
  await until(isAtRest, {
    seconds: 60,
    what: async () => `rest: ${JSON.stringify(await house.unfinished())}`,
  });
}

test('two APIs that are asked for the same have it made once', async () => {
  for (const query of house.queries) {
    const [one, other] = await Promise.all(house.apis.map(({ url }) => ask(url, house.key, query)));
    expect([one?.status, other?.status, other?.sha]).toEqual([200, 200, one?.sha]);
    right.set(query, one!.sha!);
    asked.push(one!, other!);
  }
  const [made] = await house.records.sql<{ count: number }>`
    select count(*)::int as count from cutouts where not shared`;
  // Where one API was done before the other asked, the file was made again: it is not kept here.
  expect(made!.count).toBeLessThan(house.queries.length * 1.5);
});

test('workers die, at their failpoints and anywhere: each request ends with its file, or is told to try again', async () => {
  const points = ['cutout.before-put', 'cutout.before-record'];
  const all = await crowdOf(async () => {
    await house.workers[0]!.replace('SIGKILL');
    for (const point of points)
      await until(async () => (await house.reached(point)) === 2, { what: `two deaths at ${point}` });
    await house.workers[1]!.replace('SIGKILL');
  });
  // On a busy machine it may take longer than the deadline until another worker is there.
  const { 200: made = 0, deadline_exceeded: late = 0 } = tally(all);
  expect(made + late).toBe(all.length);
  expect(made).toBeGreaterThan(all.length / 2);
  await expectRest();
});

test('workers and an API are told to stop: nobody fails', async () => {
  const all = await crowdOf(async () => {
    expect(await house.workers[0]!.replace('SIGTERM')).toBe(0);
    const [leaving] = house.apis.splice(0, 1);
    leaving!.kill('SIGTERM');
    expect(await leaving!.ended).toBe(0);
    house.apis.push(await house.startApi());
  });
  expect(tally(all)).toEqual({ 200: all.length });
  await expectRest();
});

test('Postgres, S3 and Temporal are away for some seconds: nobody is left waiting, and all goes on as before', async () => {
  for (const server of ['postgres', 's3', 'temporal'] as const) {
    const all = await crowdOf(async () => {
      await outageOf(house.stack, server, 2, async () => {});
      // Healed, without anybody's help.
      const query = house.queries[0]!;
      await until(async () => (await ask(house.apis[0]!.url, house.key, query)).status === 200, {
        seconds: 60,
        what: `${server} to be back`,
      });
    });
    expect(tally(all).broken, server).toBeUndefined();
  }
  // Ends that could not be written while Postgres was away are given later.
  await expectRest(Number.POSITIVE_INFINITY);
  await house.sweepLater();
  expect(await house.unfinished()).toEqual({ files: 0, requests: 0 });
});

test('an API dies while it waits: the file is there for the next who asks, and the record has an end', async () => {
  const [dying, other] = house.apis as [House['apis'][0], House['apis'][0]];
  for (const { process } of house.workers) process.kill('SIGSTOP');
  const query = `${house.queries[0]}&crosshair=false`;
  const lost = ask(dying.url, house.key, query);
  await until(async () => (await house.unfinished()).requests === 1, { what: 'the request to wait' });
  const again = ask(other.url, house.key, query);
  await until(async () => (await house.unfinished()).requests === 2, { what: 'the other one, too' });
  dying.kill('SIGKILL');
  expect((await lost).broken).toBeDefined();
  for (const { process } of house.workers) process.kill('SIGCONT');
  expect(await again).toMatchObject({ status: 200, sha: right.get(house.queries[0]!) });
  house.apis.splice(0, 1, await house.startApi());
  await expectRest(1);
});

test('what is over the deadline, or one too many, is told so; what was begun is there later', async () => {
  const strict = await house.startApi({
    CUTOUT_DEADLINE_SECONDS: '2',
    CUTOUT_QUEUE: '2',
    CUTOUT_KEPT_MINUTES: '1',
  });
  // Of those who waited for deaths it has learnt that it would take too long.
  await house.records.sql`truncate estimate_keys, estimate_runs`;
  for (const { process } of house.workers) process.kill('SIGSTOP');
  const [first, second, third] = house.queries as [string, string, string];
  const late = [first, second].map((query) => ask(strict.url, house.key, query));
  await until(async () => (await house.unfinished()).files === 2, { what: 'two under way' });
  const refused = await ask(strict.url, house.key, third);
  expect(refused).toMatchObject({ status: 503, problem: { code: 'overloaded', retryable: true } });
  expect(Number(refused.retryAfter)).toBeGreaterThan(0);
  for (const one of await Promise.all(late))
    expect(one).toMatchObject({ status: 504, problem: { code: 'deadline_exceeded', retryable: true } });
  for (const { process } of house.workers) process.kill('SIGCONT');
  await expectRest(1);
  expect(await ask(strict.url, house.key, first)).toMatchObject({ status: 200, sha: right.get(first) });
});

test('each request is on record once, with its end; nothing lies in the bucket that nobody removes', async () => {
  expect(await house.sweepLater()).toEqual([]);
  const rows = await house.records.sql<{ id: number; state: string; detail: string | null }>`
    select id::int, state, problem ->> 'detail' as detail from cutouts`;
  const states = new Map(rows.map(({ id, state }) => [id, state]));
  const answered = asked.flatMap(({ id }) => id ?? []);
  expect(new Set(answered).size).toBe(answered.length);
  for (const id of answered) expect(states.get(id)).toBe('succeeded');
  expect([...states.values()]).not.toContain('running');
  const problems = rows.flatMap(({ detail }) => detail ?? []);
  expect(problems.some((detail) => detail.startsWith('How it ended'))).toBe(true);
});
