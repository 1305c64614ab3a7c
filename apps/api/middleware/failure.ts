/** Errors become problem documents, or what a protocol has in their place, here and nowhere else. */
import { problemKinds } from '@darkroom/contract';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { ApiContext } from '../context.ts';
import { problemBody, toProblem } from '../problems.ts';

const retryAfterSeconds = 5;

/** Under these paths the Open Inference Protocol says what errors look like. */
const isInference = (path: string): boolean => /^\/v2(?:\/|$)/.test(path);

/** The app's error handler. Our own faults are logged with their cause; the answer never holds a stack. */
export function answerFailure(error: unknown, c: ApiContext): Response {
  const problem = toProblem(error);
  const { status, fault } = problemKinds[problem.code];
  // What fails because the client left is nobody's fault, and nobody reads the answer. What load refuses is counted, and too much for a log.
  if (fault === 'ours' && problem.code !== 'overloaded' && !c.req.raw.signal.aborted) {
    const level = problem.code === 'internal' ? 'error' : 'warn';
    c.var.logger()[level]({ err: problem.cause ?? problem, code: problem.code }, problem.message);
  }
  const [type, body] = isInference(c.req.path)
    ? ['application/json', { error: problem.message }]
    : ['application/problem+json', problemBody(problem, { instance: c.req.path, traceId: c.get('traceId') })];
  return c.json(body, status as ContentfulStatusCode, {
    'content-type': type,
    'cache-control': 'no-store',
    ...(status === 401 && { 'www-authenticate': 'Bearer realm="darkroom"' }),
    ...([429, 503, 507].includes(status) && {
      'retry-after': String(problem.retryAfterSeconds ?? retryAfterSeconds),
    }),
  });
}
