import { setTimeout as sleep } from 'node:timers/promises';
import { problemOf } from '@darkroom/contract';
import { appendLog, finishJob, getJobRow, recordProgress, revokeKey } from '@darkroom/records';
import { attemptAt } from '@darkroom/records/testing.ts';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { signLink } from '../../signed/links.ts';
import { startTestApi, type TestApi } from '../../testing.ts';

let api: TestApi;
let key: string;
beforeAll(async () => {
  // A stream that is silent looks after its key every two seconds.
  api = await startTestApi({ CLIENT_IDLE_SECONDS: '6' });
  key = (await api.key()).key;
}, 60_000);
afterEach(() => void vi.restoreAllMocks());
afterAll(() => api?.close());

interface Received {
  readonly id: number;
  /** As it came, what renews a link included. */
  readonly wholeId: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Follows a stream; `until` reads on until an event fits, or the stream ends. */
async function follow(path: string, headers: Record<string, string> = {}, by = key) {
  const leave = new AbortController();
  const answer = await fetch(api.url + path, {
    headers: { accept: 'text/event-stream', ...(by !== '' && { authorization: `Bearer ${by}` }), ...headers },
    signal: leave.signal,
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  const events: Received[] = [];
  let text = '';
  let ended = answer.body === null;
  const more = async (): Promise<void> => {
    const step = await reader?.read();
    ended = step?.done ?? true;
    text += step?.value ?? '';
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
      const data = field('data');
      if (data === undefined) continue;
      const wholeId = field('id') ?? '';
      const id = Number.parseInt(wholeId, 10);
      events.push({ id, wholeId, event: field('event') ?? '', data: JSON.parse(data) });
    }
  };
  return {
    answer,
    events,
    leave: () => leave.abort(),
    async until(fits: (event: Received) => boolean) {
      while (!events.some(fits) && !ended) await more();
      return events.find(fits);
    },
    async end() {
      while (!ended) await more();
      return events;
    },
  };
}

const fence = (jobId: string, run = 1) => attemptAt(api.records, jobId, { run, stage: 'recognise' });

const progress = async (jobId: string, held: Awaited<ReturnType<typeof fence>>) =>
  recordProgress(api.records.db, held, {
    itemStage: 'recognise',
    reached: [],
  }).then(() => getJobRow(api.records.db, jobId));

test('a snapshot, then what happens, then the end', async () => {
  const id = await api.job();
  const stream = await follow(`/v1/jobs/${id}/events`);
  expect(stream.answer.headers.get('content-type')).toBe('text/event-stream');
  expect(await stream.until(({ event }) => event === 'snapshot')).toMatchObject({
    data: { id, state: 'queued' },
  });

  const held = await fence(id);
  expect(await stream.until(({ data }) => data.state === 'running')).toMatchObject({
    event: 'state',
    data: { id },
  });
  await progress(id, held);
  const told = await stream.until(({ event }) => event === 'progress');
  expect(told?.data).toMatchObject({
    percent: 0,
    stages: [{ name: 'probe' }, {}, { name: 'recognise', state: 'running' }, {}, {}],
  });

  await finishJob(api.records.db, {
    jobId: id,
    run: 1,
    state: 'failed',
    problem: problemOf('outage', 'S3 was away.'),
  });
  const events = await stream.end();
  expect(events.at(-1)).toMatchObject({
    event: 'state',
    data: { state: 'failed', problem: { code: 'outage' } },
  });
  const ids = events.map(({ id: version }) => version);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  expect(ids.at(-1)).toBe((await getJobRow(api.records.db, id))?.version);
});

test('the end is told as the end, also where it comes between the readings of the job and of its events', async () => {
  const { db, sql } = api.records;
  const id = await api.job();
  const stream = await follow(`/v1/jobs/${id}/events`);
  await fence(id);
  await stream.until(({ data }) => data.state === 'running');
  await db.transaction(async (tx) => {
    await tx.execute('lock table job_events in access exclusive mode');
    await sql`select pg_notify('darkroom_jobs', ${id})`;
    // The stream has read the job, and waits for its events.
    await expect
      .poll(
        async () => await sql`select 1 from pg_locks where relation = 'job_events'::regclass and not granted`,
      )
      .not.toEqual([]);
    await finishJob(tx, { jobId: id, run: 1, state: 'succeeded' });
  });
  const events = await stream.end();
  expect(events.at(-1)).toMatchObject({ event: 'state', data: { state: 'succeeded' } });
  expect(events.map(({ data }) => data.state)).toEqual([...new Set(events.map(({ data }) => data.state))]);
});

test('Last-Event-ID goes on where it was: what was missed, in order, nothing twice', async () => {
  const id = await api.job();
  const first = await follow(`/v1/jobs/${id}/events`);
  const seen = (await first.until(({ event }) => event === 'snapshot'))?.id ?? 0;
  first.leave();
  await fence(id);
  await finishJob(api.records.db, { jobId: id, run: 1, state: 'succeeded' });

  const events = await (await follow(`/v1/jobs/${id}/events`, { 'last-event-id': String(seen) })).end();
  expect(events.map(({ id: version }) => version)).toEqual([seen + 1, seen + 2]);
  expect(events.map(({ data }) => data.state)).toEqual(['running', 'succeeded']);

  const again = await follow(`/v1/jobs/${id}/events`, { 'last-event-id': String(seen + 2) });
  expect(again.answer.status).toBe(204);
});

test('what is no longer kept, or never was, gives a new snapshot', async () => {
  const id = await api.job();
  const held = await fence(id);
  for (let i = 0; i < 3; i++) await progress(id, held);
  await api.records.sql`delete from job_events where job_id = ${id} and id <= 3`;
  for (const last of ['1', '99999']) {
    const stream = await follow(`/v1/jobs/${id}/events`, { 'last-event-id': last });
    await stream.until(() => true);
    expect(stream.events).toMatchObject([{ event: 'snapshot', id: 5, data: { id } }]);
    stream.leave();
  }
  const kept = await follow(`/v1/jobs/${id}/events`, { 'last-event-id': '3' });
  await kept.until(() => true);
  expect(kept.events).toMatchObject([{ event: 'progress', id: 5 }]);
  kept.leave();
});

test('a signed link needs no key, is good for its job alone, and reads only', async () => {
  const [id, other] = [await api.job(), await api.job()];
  const { links } = (await (await api.get(`/v1/jobs/${id}`, key)).json()) as { links: { live: string } };
  const { pathname, search } = new URL(links.live);
  const stream = await follow(pathname + search, {}, '');
  expect(await stream.until(({ event }) => event === 'snapshot')).toMatchObject({ data: { id } });
  stream.leave();
  expect((await api.get(`/v1/jobs/${other}/events${search}`)).status).toBe(401);
  expect((await api.get(`/v1/jobs/${id}${search}`)).status).toBe(401);
  expect((await api.send('POST', `${pathname}${search}`, '')).status).toBe(401);
});

test('all followers of a process share one connection, and leave nothing behind', async () => {
  const listening = async () => {
    const rows = await api.records.sql<{ pid: number }>`
      select pid from pg_stat_activity where query ilike 'listen%' and datname = current_database()`;
    return rows.length;
  };
  const id = await api.job();
  const streams = await Promise.all(Array.from({ length: 30 }, () => follow(`/v1/jobs/${id}/events`)));
  await Promise.all(streams.map(({ until }) => until(({ event }) => event === 'snapshot')));
  expect(await listening()).toBe(1);
  await fence(id);
  await Promise.all(
    streams.map(async ({ until }) => expect(await until(({ event }) => event === 'state')).toBeDefined()),
  );
  for (const { leave } of streams) leave();
  // The access log tells of a request when its answer ends: the server let go of each.
  await expect
    .poll(
      async () =>
        (await api.accessLines()).filter(
          ({ route, jobId }) => jobId === id && route === '/v1/jobs/{id}/events',
        ).length,
    )
    .toBe(30);
});

test('a stream outlives a restart of the database', async () => {
  const id = await api.job();
  const stream = await follow(`/v1/jobs/${id}/events`);
  await stream.until(({ event }) => event === 'snapshot');
  await api.records.sql`checkpoint`; // this server is told not to sync
  await api.postgres.kill();
  await sleep(200);
  await api.postgres.restart();
  await expect
    .poll(
      () =>
        fence(id).then(
          () => true,
          () => false,
        ),
      { timeout: 10_000 },
    )
    .toBe(true);
  expect(await stream.until(({ data }) => data.state === 'running')).toBeDefined();
  stream.leave();
});

test('a job that is deleted ends its streams', async () => {
  const id = await api.job();
  const stream = await follow(`/v1/jobs/${id}/events`);
  await stream.until(({ event }) => event === 'snapshot');
  expect((await api.send('DELETE', `/v1/jobs/${id}`, key)).status).toBe(202);
  expect((await stream.end()).at(-1)).toMatchObject({ event: 'deleted', data: { id } });
});

test('the log: pages, one stage, live as lines and as events', async () => {
  const id = await api.job();
  const write = (line: string, stage = 'recognise') =>
    appendLog(api.records.db, [{ jobId: id, run: 1, stage, level: 'info', line }]);
  for (const line of ['one', 'two', 'three']) await write(line);
  await write('elsewhere', 'publish');

  type Page = { lines: { id: number; line: string }[]; nextPageToken: string | null };
  const page = async (query: string) =>
    (await (await api.get(`/v1/jobs/${id}/log?${query}`, key)).json()) as Page;
  const first = await page('pageSize=2&stage=recognise');
  expect(first.lines.map(({ line }) => line)).toEqual(['one', 'two']);
  const second = await page(`pageSize=2&stage=recognise&pageToken=${first.nextPageToken}`);
  expect(second).toMatchObject({ lines: [{ line: 'three' }], nextPageToken: null });
  const wrong = await api.get(`/v1/jobs/${id}/log?pageToken=${first.nextPageToken}`, key);
  expect(await wrong.json()).toMatchObject({ code: 'invalid_page_token' });

  const live = await api.get(`/v1/jobs/${id}/log?follow=true`, key);
  expect(live.headers.get('content-type')).toBe('application/x-ndjson');
  const events = await follow(`/v1/jobs/${id}/log?follow=true`, {
    'last-event-id': String(first.lines[1]?.id),
  });
  await events.until(({ data }) => data.line === 'elsewhere');
  await write('four');
  await events.until(({ data }) => data.line === 'four');
  await finishJob(api.records.db, { jobId: id, run: 1, state: 'succeeded' });
  expect((await events.end()).map(({ data }) => data.line)).toEqual(['three', 'elsewhere', 'four']);
  const lines = (await live.text()).split('\n').filter(Boolean);
  expect(lines.map((line) => JSON.parse(line).line)).toEqual(['one', 'two', 'three', 'elsewhere', 'four']);
});

test('a link that has expired goes on for whoever was following it, until its key is revoked', async () => {
  const mine = await api.key();
  const caller = { owner: 'ann', group: null, role: 'user', priority: 3, keyId: mine.id } as const;
  const [id, other] = [await api.job(), await api.job()];
  const linkOf = (job: string) =>
    signLink({ ...api.config.links, ttlSeconds: 2 }, `/v1/jobs/${job}/events`, caller);
  const [link, another] = [linkOf(id), linkOf(other)];
  const first = await follow(link, {}, '');
  const snapshot = await first.until(({ event }) => event === 'snapshot');
  first.leave();
  await expect.poll(async () => (await follow(link, {}, '')).answer.status, { timeout: 10_000 }).toBe(401);

  await fence(id);
  // As an EventSource connects again: to the same address, with the id it saw last.
  const again = await follow(link, { 'last-event-id': snapshot!.wholeId }, '');
  expect(again.answer.status).toBe(200);
  expect((await again.until(({ event }) => event === 'state'))?.id).toBe(snapshot!.id + 1);
  for (const [address, wholeId] of [
    [another, snapshot!.wholeId],
    [link, `${snapshot!.id}`],
    [link, snapshot!.wholeId.replace(/\.\d+/, (until) => `.${Number(until.slice(1)) + 1}`)],
  ] as const) {
    const refused = await follow(address, { 'last-event-id': wholeId }, '');
    expect(refused.answer.status).toBe(401);
  }

  await revokeKey(api.records.db, mine.id);
  // For half a minute it is remembered.
  const { now } = Date;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + 31_000);
  await again.end();
  const late = await follow(link, { 'last-event-id': again.events.at(-1)!.wholeId }, '');
  expect(late.answer.status).toBe(401);
}, 90_000);
