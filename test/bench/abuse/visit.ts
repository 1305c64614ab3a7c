/** The other user: gets and submits at a steady pace. */
import { say } from '../measure/report.ts';
import { onePhoto } from '../photo/recognition.ts';

export type Operation = 'get' | 'submit';
export type Visits = Record<Operation, number[]> & { failed: number };

const everyMs: Readonly<Record<Operation, number>> = { get: 50, submit: 250 };

/** Sends gets and submits by the clock, answered or not: a slow answer does not spare the next ones. Milliseconds of each. */
export async function visit({ url, key }: { url: string; key: string }, seconds: number): Promise<Visits> {
  const visits: Visits = { get: [], submit: [], failed: 0 };
  const headers = { authorization: `Bearer ${key}` };
  const json = { ...headers, 'content-type': 'application/json' };
  const submit = async (): Promise<string> => {
    const body = JSON.stringify({ source: onePhoto(1) });
    const answer = await fetch(`${url}/v1/analysis`, { method: 'POST', headers: json, body });
    if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { task_id: string }).task_id;
  };
  const get = async (id: string): Promise<void> => {
    const answer = await fetch(`${url}/v1/jobs/${id}`, { headers });
    await answer.text();
    if (answer.status !== 200) throw new Error(String(answer.status));
  };
  const id = await submit();
  const until = performance.now() + seconds * 1000;
  const clock = async (operation: Operation, once: () => Promise<unknown>): Promise<void> => {
    const open: Promise<void>[] = [];
    while (performance.now() < until) {
      const began = performance.now();
      open.push(
        once().then(
          () => void visits[operation].push(performance.now() - began),
          (error: unknown) => {
            visits.failed++;
            say(`the other key: ${operation}: ${String(error)}`);
          },
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, everyMs[operation]));
    }
    await Promise.all(open);
  };
  await Promise.all([clock('get', () => get(id)), clock('submit', submit)]);
  return visits;
}
