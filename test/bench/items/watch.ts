/** What users see of a large job while it runs: how long they wait for a page, and how long they hear nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEnded, jobState } from '@darkroom/contract';
import { z } from 'zod';
import { quantile } from '../measure/statistics.ts';
import { ask, type Client, readEvents } from '../photo/client.ts';

/** Milliseconds of each answer, by what was asked. */
export type Waits = Record<string, number[]>;

const everyMs = 200;
const pageOf = 100;

export const p99 = (waits: Waits, name: string): number => quantile(waits[name] ?? [], 0.99);

/** Follows a job's events to its end; milliseconds of the longest silence between two that tell of it. */
export async function followToEnd({ url, key }: Client, id: string): Promise<{ silenceMs: number }> {
  const events = await fetch(`${url}/v1/jobs/${id}/events`, { headers: { authorization: `Bearer ${key}` } });
  let last = performance.now();
  let silenceMs = 0;
  for await (const { event, data } of readEvents(events)) {
    if (!['snapshot', 'state', 'progress'].includes(event)) continue;
    silenceMs = Math.max(silenceMs, performance.now() - last);
    last = performance.now();
    if (event === 'progress') continue;
    if (hasEnded(z.object({ state: jobState }).parse(data).state)) return { silenceMs };
  }
  throw new Error(`The events of job ${id} ended before the job did.`);
}

const tokenOf = z.object({ nextPageToken: z.string().nullable() });

/** Tokens of places all over a list. */
async function places(client: Client, path: string): Promise<string[]> {
  const tokens: string[] = [];
  for (let token: string | null = null; ; ) {
    const at: string = token === null ? '' : `&pageToken=${encodeURIComponent(token)}`;
    const answer = await ask(client, `${path}?pageSize=1000${at}`);
    token = tokenOf.parse(await answer.json()).nextPageToken;
    if (token === null) return tokens;
    tokens.push(token);
  }
}

/** A page of a list somewhere in it, whole. */
async function askPage(client: Client, path: string, tokens: readonly string[]): Promise<void> {
  const token = tokens[Math.floor(Math.random() * tokens.length)];
  const at = token === undefined ? '' : `&pageToken=${encodeURIComponent(token)}`;
  await (await ask(client, `${path}?pageSize=${pageOf}${at}`)).arrayBuffer();
}

/** The first event, which tells how the job stands. */
async function askEvents(client: Client, id: string): Promise<void> {
  const stop = new AbortController();
  const answer = await ask(client, `/v1/jobs/${id}/events`, { signal: stop.signal });
  await answer.body?.getReader().read();
  stop.abort();
}

async function timed(waits: Waits, name: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  await work();
  waits[name] ??= [];
  waits[name].push(performance.now() - began);
}

/** Asks for pages of a job's items and its events by turns until `done`. */
export async function readWhile(client: Client, id: string, done: () => boolean): Promise<Waits> {
  const waits: Waits = {};
  const path = `/v1/jobs/${id}/items`;
  let tokens: string[] = [];
  for (let turn = 0; !done(); turn++) {
    // Until the items are there, there are no places among them.
    if (tokens.length === 0 && turn % 20 === 0) tokens = await places(client, path);
    if (turn % 2 === 0) await timed(waits, 'items', () => askPage(client, path, tokens));
    else await timed(waits, 'events', () => askEvents(client, id));
    await sleep(everyMs);
  }
  return waits;
}

/** Asks for each `times` of a job that has ended. */
export async function readAfter(client: Client, id: string, times: number): Promise<Waits> {
  const waits: Waits = {};
  for (const list of ['items', 'results']) {
    const path = `/v1/jobs/${id}/${list}`;
    const tokens = await places(client, path);
    for (let n = 0; n < times; n++) await timed(waits, list, () => askPage(client, path, tokens));
  }
  for (let n = 0; n < times; n++) await timed(waits, 'events', () => askEvents(client, id));
  return waits;
}
