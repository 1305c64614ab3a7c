/** Clients that ask for cutouts one after the other, and know what each is to be. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { until } from '../platform.ts';
import type { House } from './house.ts';

const document = z.looseObject({ code: z.string(), retryable: z.boolean(), detail: z.string() });

/** What became of a request. */
export interface Asked {
  readonly query: string;
  readonly status?: number;
  /** SHA-256 of its file. */
  readonly sha?: string;
  readonly id?: number;
  readonly problem?: z.infer<typeof document>;
  readonly retryAfter?: string | null;
  /** What ended the connection. */
  readonly broken?: string;
}

export async function ask(url: string, key: string, query: string): Promise<Asked> {
  try {
    const reply = await fetch(`${url}/v1/cutouts?${query}`, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(90_000),
    });
    const bytes = Buffer.from(await reply.arrayBuffer());
    const { status } = reply;
    if (!reply.ok)
      return {
        query,
        status,
        problem: document.parse(JSON.parse(bytes.toString())),
        retryAfter: reply.headers.get('retry-after'),
      };
    const sha = createHash('sha256').update(bytes).digest('hex');
    return { query, status, sha, id: Number(reply.headers.get('cutout-id')) };
  } catch (error) {
    return { query, broken: String(error) };
  }
}

export interface Crowd {
  readonly clients: number;
  /** Requests at least. */
  readonly least: number;
  readonly random: () => number;
}

/** Asks until there were enough and `meanwhile`, which begins when some were answered, is through. */
export async function askMeanwhile(
  { apis, key, queries }: House,
  { clients, least, random }: Crowd,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<Asked[]> {
  const all: Asked[] = [];
  let through = false;
  const client = async (): Promise<void> => {
    while (!through || all.length < least) {
      const query = queries[Math.floor(random() * queries.length)]!;
      const api = apis[Math.floor(random() * apis.length)];
      if (api === undefined) throw new Error('No API is left.');
      const asked = await ask(api.url, key, query);
      all.push(asked);
      // As somebody does who was told to try again.
      if (asked.status !== 200) await sleep(100);
    }
  };
  const asking = Promise.all(Array.from({ length: clients }, client));
  try {
    await Promise.race([asking, until(async () => all.length > 3 * clients, { what: 'the first cutouts' })]);
    await meanwhile();
  } finally {
    through = true;
  }
  await asking;
  return all;
}

/** What must not be, in words. `right`: the SHA-256 of each query's file. */
export function faultsOf(all: readonly Asked[], right: ReadonlyMap<string, string>): string[] {
  return all.flatMap(({ query, status = 0, sha, problem, retryAfter, broken }) => {
    if (broken !== undefined) return [];
    if (status === 200) return sha === right.get(query) ? [] : [`${query} has another file`];
    if (problem?.retryable !== true) return [`${query}: ${status} ${problem?.code} ${problem?.detail}`];
    // Whoever is told that the service is away is told when to come again.
    return status === 503 && !(Number(retryAfter) > 0)
      ? [`${query}: ${problem.code} has no Retry-After`]
      : [];
  });
}

/** How many came to what. */
export function tally(all: readonly Asked[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, problem, broken } of all) {
    const what = broken === undefined ? (problem?.code ?? String(status)) : 'broken';
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}
