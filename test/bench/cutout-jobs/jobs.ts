/** Jobs as their user has them: submitted, followed to the end; and what the records say of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, job as jobDocument } from '@darkroom/contract';
import { type Records, workedSeconds } from '@darkroom/records';
import { z } from 'zod';
import { followToEnd } from '../items/watch.ts';
import { ask, type Client } from '../photo/client.ts';
import { csvOf, type Row } from './rows.ts';
import { surveyName } from './sky.ts';

/** The stage whose items are cutouts. */
const cutStage = 'cut';

const longestJobMs = 5_400_000;

export type Parameters = Readonly<Record<string, string>>;

export interface Submitted {
  readonly job: Job;
  /** When the request was begun, as `performance.now()`. */
  readonly began: number;
  /** Until the submit was answered. */
  readonly acceptedMs: number;
}

/** Sends the list along. */
export async function submit(
  client: Client,
  rows: readonly Row[],
  parameters: Parameters,
): Promise<Submitted> {
  const began = performance.now();
  const query = new URLSearchParams({ survey: surveyName, ...parameters });
  const answer = await ask(client, `/v1/cutouts?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: csvOf(rows),
  });
  const job = jobDocument.parse(await answer.json());
  return { job, began, acceptedMs: performance.now() - began };
}

export interface Ended extends Submitted {
  /** From the submit to the event that tells of the end. */
  readonly seconds: number;
  /** Longest time without an event. */
  readonly silenceMs: number;
  /** As it is at the end; `job` is as it was accepted. */
  readonly end: Job;
}

/** Follows it to its end. Throws unless all of it succeeded. */
export async function finish(client: Client, submitted: Submitted): Promise<Ended> {
  const { silenceMs } = await Promise.race([
    followToEnd(client, submitted.job.id),
    sleep(longestJobMs, undefined, { ref: false }).then(() => {
      throw new Error(`Job ${submitted.job.id} did not end within ${longestJobMs / 60_000} minutes.`);
    }),
  ]);
  const seconds = (performance.now() - submitted.began) / 1000;
  const end = await documentOf(client, submitted.job.id);
  if (end.state !== 'succeeded')
    throw new Error(
      `Job ${end.id} ended as ${end.state}, ${end.warnings} warnings: ${JSON.stringify(end.problem)}`,
    );
  return { ...submitted, seconds, silenceMs, end };
}

/** Cancels it, and waits until it has ended. */
export async function cancel(client: Client, id: string): Promise<void> {
  await ask(client, `/v1/jobs/${id}/cancel`, { method: 'POST' });
  for (let tries = 0; tries < 600; tries++) {
    if ((await documentOf(client, id)).finishedAt !== null) return;
    await sleep(200);
  }
  throw new Error(`Job ${id} did not end two minutes after its cancel.`);
}

/** Cutouts of a job that are done. Throws where the job failed. */
export async function cutouts(client: Client, id: string): Promise<number> {
  const { progress, state, problem } = await documentOf(client, id);
  if (state === 'failed') throw new Error(`The job failed: ${problem?.detail}`);
  return progress.stages.find(({ name }) => name === cutStage)?.done ?? 0;
}

/** Waits until some cutouts are done; how many. */
export async function untilUnderWay(client: Client, id: string): Promise<number> {
  for (let tries = 0; tries < 3000; tries++) {
    const done = await cutouts(client, id);
    if (done > 0) return done;
    await sleep(200);
  }
  throw new Error(`Job ${id} had made nothing after ten minutes.`);
}

export async function documentOf(client: Client, id: string): Promise<Job> {
  return jobDocument.parse(await (await ask(client, `/v1/jobs/${id}`)).json());
}

/** Seconds from the beginning of the first attempt at each stage to the end of its last. */
export async function stageSeconds({ sql }: Records, id: string): Promise<Record<string, number>> {
  const stages = await sql<{ stage: string; seconds: number }>`
    select stage, extract(epoch from
      max(coalesce(attempt.finished_at, job.finished_at)) - min(attempt.started_at))::float as seconds
    from job_attempts attempt join jobs job on job.id = attempt.job_id
    where job.id = ${id} group by stage order by min(attempt.started_at)`;
  return Object.fromEntries(stages.map(({ stage, seconds }) => [stage, seconds]));
}

/** Milliseconds that each page of cutouts was worked on, so far. */
export async function pagesOf({ sql }: Records, id: string): Promise<number[]> {
  const pages = await sql<{ ms: number }>`
    select work_ms::float as ms from job_attempts
    where job_id = ${id} and stage = ${cutStage} and work_ms is not null order by started_at`;
  return pages.map(({ ms }) => ms);
}

/** What its estimate is an estimate of: seconds without waiting for workers. */
export const worked = async ({ db }: Records, { id, run }: Job): Promise<number> =>
  (await workedSeconds(db, { jobId: id, run })) ?? Number.NaN;

const results = z.object({
  files: z.array(z.object({ path: z.string(), url: z.string(), item: z.string().nullable() })),
  total: z.int(),
});

/** Some of a job's files, and how many there are. */
export async function filesOf(client: Client, id: string, some: number): Promise<z.infer<typeof results>> {
  const answer = await ask(client, `/v1/jobs/${id}/results?pageSize=${some}`);
  return results.parse(await answer.json());
}
