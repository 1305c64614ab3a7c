import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Analysis,
  analysis,
  hasEnded,
  type Job,
  job,
  progress,
  type Segment,
  segment,
} from '@darkroom/contract';
import { z } from 'zod';
import { SetupError } from '../terminal.ts';
import { readEvents, type StreamEvent } from './events.ts';

const accepted = z.object({ task_id: z.string() });
const segmentPage = z.object({ segments: z.array(segment), nextPageToken: z.string().nullable() });
const surveyPage = z.object({
  surveys: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      readable: z.boolean(),
      bands: z.array(z.object({ name: z.string() })),
      example: z.object({ ra: z.number(), dec: z.number() }),
    }),
  ),
});
const resultPage = z.object({
  files: z.array(z.object({ path: z.string(), url: z.string() })),
  nextPageToken: z.string().nullish(),
});
const pollMilliseconds = 500;
const mostReads = 40;

/** A job after an event of its stream. Of several changes at once only the last carries the whole job; the others tell nothing more. */
export function applyEvent(current: Job, { type, data }: StreamEvent): Job {
  if (type === 'progress') return { ...current, progress: progress.parse(data) };
  const whole = job.safeParse(data);
  return whole.success ? whole.data : current;
}

/** A user of the API, as any program would be: it knows an address and a key. */
export class Service {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(base: string, key: string) {
    this.#base = base;
    this.#headers = { authorization: `Bearer ${key}` };
  }

  /** Submits photos or a video as one task: `file` carries one, `files` several photos. Returns the task's id. */
  async analyse(
    field: 'file' | 'files',
    photos: readonly { path: string; type: string }[],
    signal: AbortSignal,
  ): Promise<string> {
    const form = new FormData();
    for (const { path, type } of photos) {
      form.append(field, new Blob([await readFile(path)], { type }), basename(path));
    }
    const response = await this.#fetch('/analysis', { method: 'POST', body: form, signal });
    return accepted.parse(await response.json()).task_id;
  }

  /**
   * Follows a job to its end by its event stream, and by asking where the stream breaks off. Yields the job at each change.
   */
  async *follow(id: string, signal: AbortSignal): AsyncGenerator<Job, void, undefined> {
    let current = await this.job(id, signal);
    yield current;
    while (!hasEnded(current.state)) {
      try {
        const response = await this.#fetch(`/v1/jobs/${id}/events`, { signal });
        for await (const event of readEvents(response.body ?? [])) {
          const next = applyEvent(current, event);
          if (next === current) continue;
          current = next;
          yield current;
        }
      } catch (error) {
        if (signal.aborted || !(error instanceof TypeError)) throw error;
      }
      if (hasEnded(current.state)) return;
      await sleep(pollMilliseconds, undefined, { signal });
      current = await this.job(id, signal);
      yield current;
    }
  }

  async job(id: string, signal: AbortSignal): Promise<Job> {
    return job.parse(await (await this.#fetch(`/v1/jobs/${id}`, { signal })).json());
  }

  /** A task with its links: of a video also to its storyboard. */
  async analysis(id: string, signal: AbortSignal): Promise<Analysis> {
    return analysis.parse(await (await this.#fetch(`/analysis/${id}`, { signal })).json());
  }

  /** All segments of a task, with links to their pictures. */
  async segments(id: string, signal: AbortSignal): Promise<Segment[]> {
    const all: Segment[] = [];
    for (let token: string | null = ''; token !== null; ) {
      const page: z.infer<typeof segmentPage> = segmentPage.parse(
        await (
          await this.#fetch(`/analysis/${id}/segments${token && `?pageToken=${encodeURIComponent(token)}`}`, {
            signal,
          })
        ).json(),
      );
      all.push(...page.segments);
      token = page.nextPageToken;
    }
    return all;
  }

  /** The sky surveys that may be read, with a place to begin with. */
  async surveys(signal: AbortSignal): Promise<z.infer<typeof surveyPage>['surveys']> {
    const { surveys } = surveyPage.parse(await (await this.#fetch('/v1/surveys', { signal })).json());
    return surveys.filter(({ readable }) => readable);
  }

  /** Submits a list of positions, CSV, as a job of cutouts; `query` has the options. Returns the job's id. */
  async cutouts(query: string, list: Buffer, signal: AbortSignal): Promise<string> {
    const headers = { 'content-type': 'text/csv' };
    const body = new Uint8Array(list);
    const reply = await this.#fetch(`/v1/cutouts?${query}`, { method: 'POST', headers, body, signal });
    return job.parse(await reply.json()).id;
  }

  /** Files of a job that succeeded, with links to them; a page after the other. */
  async *results(
    id: string,
    signal: AbortSignal,
  ): AsyncGenerator<z.infer<typeof resultPage>['files'][number]> {
    for (let token: string | null = ''; token !== null; ) {
      const path: string = `/v1/jobs/${id}/results${token && `?pageToken=${encodeURIComponent(token)}`}`;
      const page = resultPage.parse(await (await this.#fetch(path, { signal })).json());
      yield* page.files;
      token = page.nextPageToken ?? null;
    }
  }

  /** A cutout as it was asked for; `query` without a question mark. */
  async cutout(
    query: string,
    signal: AbortSignal,
  ): Promise<{ readonly file: Buffer; readonly tiles: string; readonly coverage: string }> {
    const reply = await this.#fetch(`/v1/cutouts?${query}`, { signal });
    return {
      file: Buffer.from(await reply.arrayBuffer()),
      tiles: reply.headers.get('cutout-tiles') ?? '',
      coverage: reply.headers.get('cutout-coverage') ?? '',
    };
  }

  /** Reads are repeated while the service is away for a moment; a submit is not, for it might be taken twice. */
  async #fetch(
    path: string,
    init: RequestInit & { signal: AbortSignal; headers?: Record<string, string> },
  ): Promise<Response> {
    const isRead = init.method === undefined;
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(`${this.#base}${path}`, {
        ...init,
        headers: { ...this.#headers, ...init.headers },
      }).catch((error: unknown) => {
        if (isRead && attempt < mostReads && error instanceof TypeError) return undefined;
        throw error;
      });
      if (response?.ok) return response;
      const isAway = response === undefined || response.status === 503;
      if (response && !(isRead && isAway && attempt < mostReads)) {
        throw new SetupError(
          `${init.method ?? 'GET'} ${path} was answered ${response.status}: ${await response.text()}`,
        );
      }
      await response?.body?.cancel();
      await sleep(pollMilliseconds, undefined, { signal: init.signal });
    }
  }
}
