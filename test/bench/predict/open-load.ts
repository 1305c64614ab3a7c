/**
 * Requests to `POST /predict` that come at their own pace, from a process of their own: so many a second, whether or not those before were
 * answered. What would need more connections than there may be is not sent, and counted.
 */
import { Agent } from 'node:http';
import { formOf, post } from './forms.ts';

export interface OpenLoadTask {
  readonly url: string;
  /** Of the requests, in turn. */
  readonly headers: readonly Readonly<Record<string, string>>[];
  /** JPEG files, sent in turn. */
  readonly pictures: readonly string[];
  readonly perSecond: number;
  readonly seconds: number;
  /** Connections at once, at most. */
  readonly connections: number;
}

export interface OpenLoadResult {
  /** Of each request that was answered: its status, and the milliseconds from when it was to be sent. */
  readonly answered: readonly { readonly status: number; readonly ms: number }[];
  readonly errors: readonly string[];
  /** Those that there was no connection for. */
  readonly unsent: number;
}

const tickMs = 5;

process.on('message', (task: OpenLoadTask) => {
  run(task).then((result) => process.send?.(result));
});

async function run(task: OpenLoadTask): Promise<OpenLoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: task.connections });
  const bodies = task.pictures.map(formOf);
  const answered: { status: number; ms: number }[] = [];
  const errors: string[] = [];
  const underWay = new Set<Promise<void>>();
  const count = Math.round(task.perSecond * task.seconds);
  let unsent = 0;
  const began = performance.now();
  const one = async (nth: number): Promise<void> => {
    const due = began + (nth / task.perSecond) * 1000;
    const [body, headers] = [bodies[nth % bodies.length]!, task.headers[nth % task.headers.length]!];
    try {
      const { status } = await post({ url: task.url, headers, agent, body });
      answered.push({ status, ms: performance.now() - due });
    } catch (error) {
      errors.push(String(error));
    }
  };
  for (let sent = 0; sent < count; ) {
    await new Promise((resolve) => setTimeout(resolve, tickMs));
    const due = Math.min(count, Math.floor(((performance.now() - began) / 1000) * task.perSecond));
    for (; sent < due; sent++) {
      if (underWay.size >= task.connections) {
        unsent++;
        continue;
      }
      const request = one(sent);
      underWay.add(request);
      void request.then(() => underWay.delete(request));
    }
  }
  await Promise.all(underWay);
  agent.destroy();
  return { answered, errors, unsent };
}
