/** Clients of the API in a process of their own: each sends its next request when its last one was answered. */
import { Agent, request } from 'node:http';

/** A request of the load; `id` in the path stands for one of the ids in turn. */
export interface LoadTask {
  readonly url: string;
  readonly key: string;
  readonly operation: 'submit' | 'get' | 'list';
  readonly clients: number;
  readonly requests: number;
  /** No request is begun after this many seconds. */
  readonly seconds: number;
  /** Jobs that `get` asks for, in turn. */
  readonly ids: readonly string[];
  /** What `submit` submits. */
  readonly source: string;
}

export interface LoadResult {
  /** Milliseconds of each request that was answered as it should be. */
  readonly latencies: readonly number[];
  readonly errors: readonly string[];
  readonly seconds: number;
  /** Jobs that were made. */
  readonly ids: readonly string[];
}

const patienceMs = 30_000;
const agent = new Agent({ keepAlive: true, maxSockets: 256 });

process.on('message', (task: LoadTask) => {
  run(task).then((result) => process.send?.(result));
});
process.on('disconnect', () => agent.destroy());

async function run(task: LoadTask): Promise<LoadResult> {
  const latencies: number[] = [];
  const errors: string[] = [];
  const ids: string[] = [];
  let begun = 0;
  const began = performance.now();
  const until = began + task.seconds * 1000;
  const client = async (): Promise<void> => {
    while (begun < task.requests && performance.now() < until) {
      const started = performance.now();
      try {
        const { status, body } = await send(task, begun++);
        const ms = performance.now() - started;
        if (status !== (task.operation === 'submit' ? 202 : 200))
          throw new Error(`${status} ${body.slice(0, 200)}`);
        latencies.push(ms);
        if (task.operation === 'submit') ids.push((JSON.parse(body) as { task_id: string }).task_id);
      } catch (error) {
        errors.push(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: task.clients }, client));
  return { latencies, errors, seconds: (performance.now() - began) / 1000, ids };
}

function send(task: LoadTask, count: number): Promise<{ status: number; body: string }> {
  const { operation, ids, source, url, key } = task;
  const body = operation === 'submit' ? JSON.stringify({ source }) : undefined;
  const paths = { submit: '/v1/analysis', get: `/v1/jobs/${ids[count % ids.length]}`, list: '/v1/jobs' };
  return new Promise((resolve, reject) => {
    const sent = request(
      url + paths[operation],
      {
        agent,
        method: body === undefined ? 'GET' : 'POST',
        timeout: patienceMs,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }));
        answer.on('error', reject);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${patienceMs} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
