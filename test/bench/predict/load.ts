/** Clients of `POST /predict` in a process of their own: each sends its next picture when its last one was answered. */
import { Agent } from 'node:http';
import { z } from 'zod';
import { formOf, post } from './forms.ts';

/** A load on one system. */
export interface LoadTask {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JPEG files, sent in turn. */
  readonly pictures: readonly string[];
  readonly clients: number;
  /** No request is begun after this many seconds; those under way are waited for, and count. */
  readonly seconds: number;
}

/** Of one request that was answered as it should be. */
export interface Answered {
  readonly ms: number;
  /** Which of the pictures it was. */
  readonly picture: number;
  /** Class index; null where a detector found nothing. */
  readonly result: number | null;
  /** Milliseconds of each step, where they were asked for. */
  readonly timings?: Readonly<Record<string, number>> | undefined;
}

export interface LoadResult {
  readonly answered: readonly Answered[];
  readonly errors: readonly string[];
  /** From the first request to the last answer. */
  readonly seconds: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1024 });
const answer = z.object({
  id: z.int(),
  result: z.int().nullable(),
  timings: z.record(z.string(), z.number()).optional(),
});

process.on('message', (task: LoadTask) => {
  run(task).then((result) => process.send?.(result));
});
process.on('disconnect', () => agent.destroy());

async function run(task: LoadTask): Promise<LoadResult> {
  const bodies = task.pictures.map(formOf);
  const answered: Answered[] = [];
  const errors: string[] = [];
  let begun = 0;
  const began = performance.now();
  const client = async (): Promise<void> => {
    while (performance.now() - began < task.seconds * 1000) {
      const picture = begun++ % bodies.length;
      const started = performance.now();
      try {
        const text = await send(task, bodies[picture]!);
        const ms = performance.now() - started;
        const { result, timings } = answer.parse(JSON.parse(text));
        answered.push({ ms, picture, result, timings });
      } catch (error) {
        errors.push(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: task.clients }, client));
  return { answered, errors, seconds: (performance.now() - began) / 1000 };
}

/** The text of a 200; throws what else there was. */
async function send({ url, headers }: LoadTask, body: Buffer): Promise<string> {
  const { status, text } = await post({ url, headers, agent, body });
  if (status !== 200) throw new Error(`${status} ${text.slice(0, 300)}`);
  return text;
}
