/** A user of the API, as far as the benchmark needs one: submits, follows the events to the end. */
import { hasEnded, type Job, job, jobState } from '@darkroom/contract';
import { z } from 'zod';

export interface Client {
  readonly url: string;
  readonly key: string;
}

export interface JobRun {
  readonly id: string;
  /** From before the submit to the event that tells of the end, as the client sees it. Milliseconds. */
  readonly wallMs: number;
  /** `finishedAt − createdAt` of the job. Milliseconds. */
  readonly serverMs: number;
  /** Until the submit was answered. Milliseconds. */
  readonly submitMs: number;
  readonly job: Job;
}

/** Asks the API; throws unless the answer is a good one. */
export async function ask({ url, key }: Client, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, ...init.headers };
  const answer = await fetch(new URL(path, url), { ...init, headers });
  if (!answer.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

const stateChange = z.object({ state: jobState });

/** Submits the photos at `source`; the id of the job. */
export async function submitJob({ url, key }: Client, source: string): Promise<string> {
  const answer = await fetch(`${url}/v1/analysis`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ source }),
  });
  if (answer.status !== 202)
    throw new Error(`The submit was answered ${answer.status}: ${await answer.text()}`);
  return z.object({ task_id: z.string() }).parse(await answer.json()).task_id;
}

/** Submits the photos at `source` and waits for the job's end. Throws unless it succeeds whole. */
export async function runJob(client: Client, source: string): Promise<JobRun> {
  const { url, key } = client;
  const authorization = `Bearer ${key}`;
  const began = performance.now();
  const id = await submitJob(client, source);
  const submitMs = performance.now() - began;
  const events = await fetch(`${url}/v1/jobs/${id}/events`, { headers: { authorization } });
  if (!events.ok) throw new Error(`The events were answered ${events.status}: ${await events.text()}`);
  for await (const { event, data } of readEvents(events)) {
    if (event !== 'snapshot' && event !== 'state') continue;
    if (!hasEnded(stateChange.parse(data).state)) continue;
    const wallMs = performance.now() - began;
    const ended = await fetch(`${url}/v1/jobs/${id}`, { headers: { authorization } });
    const document = job.parse(await ended.json());
    if (document.state !== 'succeeded')
      throw new Error(`Job ${id} ended as ${document.state}: ${JSON.stringify(document.problem)}`);
    const serverMs = Date.parse(document.finishedAt ?? '') - Date.parse(document.createdAt);
    return { id, wallMs, serverMs, submitMs, job: document };
  }
  throw new Error(`The events of job ${id} ended before the job did.`);
}

/** The events of a stream (WHATWG HTML, section 9.2.6), as far as this API uses them: one line of data each. */
export async function* readEvents(answer: Response): AsyncGenerator<{ event: string; data: unknown }> {
  if (answer.body === null) return;
  let text = '';
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) };
    }
  }
}
