/** What the API tells of a job, without what differs between two stacks. */
import { sampleBucket } from '../../apps/local/stack/samples.ts';
import type { ApiUser } from '../harness/user.ts';

/** The sources that jobs of the dump name themselves. */
export const sourcePrefix = `s3://${sampleBucket}/upgrade/`;

/** What lies beside the rows and objects of a dump. */
export interface Index {
  /** Ids of the jobs by what they are. */
  readonly jobs: Readonly<Record<string, string>>;
  /** What the API of that time told of them, as {@link answersOf} gives it. */
  readonly answers: Readonly<Record<string, object>>;
}

/** Status and body of the questions about a job that stay for good. */
export async function answersOf(user: ApiUser, id: string): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  for (const [name, path] of [
    ['job', `/v1/jobs/${id}`],
    ['items', `/v1/jobs/${id}/items?pageSize=1000`],
    ['results', `/v1/jobs/${id}/results?pageSize=1000`],
    ['analysis', `/analysis/${id}`],
    ['segments', `/analysis/${id}/segments?pageSize=1000`],
  ] as const) {
    const answer = await user.call(path);
    answers[name] = { status: answer.status, body: withoutPlace(await answer.json()) };
  }
  return answers;
}

/** Links differ by host, signature and hour. */
function withoutPlace(value: unknown): unknown {
  if (typeof value === 'string') return /^https?:/.test(value) ? 'link' : value;
  if (Array.isArray(value)) return value.map(withoutPlace);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutPlace(each)]));
}
