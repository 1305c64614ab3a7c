/** A user of the API: a key, and the calls the tests make with it. */
import { readFile } from 'node:fs/promises';
import { type Analysis, analysis, type Job, job, type Segment, segment } from '@darkroom/contract';
import { z } from 'zod';

export interface Photo {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** One of the sample photos. */
export async function sample(name: string): Promise<Photo> {
  const path = new URL(`../../apps/local/_samples/${name}`, import.meta.url);
  return { name, bytes: new Uint8Array(await readFile(path)) };
}

export class ApiUser {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#key}`, ...init.headers };
    return fetch(new URL(path, this.#url), { ...init, headers, signal: AbortSignal.timeout(60_000) });
  }

  async #json<T>(schema: z.ZodType<T>, path: string, init?: RequestInit): Promise<T> {
    const response = await this.call(path, init);
    if (!response.ok)
      throw new Error(`${init?.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`);
    return schema.parse(await response.json());
  }

  /** Posts JSON; undefined posts nothing. */
  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.call(path, {
      method: 'POST',
      ...(body === undefined
        ? { headers }
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }),
    });
  }

  /** Uploads photos as one task; a single one as `file`. Returns the task's id. */
  async analyse(photos: readonly Photo[], options: Record<string, string> = {}): Promise<string> {
    const form = new FormData();
    for (const [name, value] of Object.entries(options)) form.append(name, value);
    for (const { name, bytes } of photos)
      form.append(photos.length === 1 ? 'file' : 'files', new File([bytes], name));
    const { task_id } = await this.#json(z.object({ task_id: z.string() }), '/analysis', {
      method: 'POST',
      body: form,
    });
    return task_id;
  }

  job(id: string): Promise<Job> {
    return this.#json(job, `/v1/jobs/${id}`);
  }

  analysis(id: string): Promise<Analysis> {
    return this.#json(analysis, `/analysis/${id}`);
  }

  async segments(id: string): Promise<Segment[]> {
    const page = z.object({ segments: z.array(segment) });
    return (await this.#json(page, `/analysis/${id}/segments?pageSize=1000`)).segments;
  }

  /** Waits until the job has ended. */
  async ended(id: string, withinMs = 120_000): Promise<Job> {
    const until = Date.now() + withinMs;
    for (;;) {
      const now = await this.job(id);
      if (now.finishedAt !== null) return now;
      if (Date.now() > until) throw new Error(`Job ${id} did not end: ${JSON.stringify(now)}`);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }
}
