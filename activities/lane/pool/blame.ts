/** What is said of an item that ended a lane in which it was alone, and waiting that can be given up. */
import { ProblemError } from '@darkroom/contract/problem.ts';
import { LaneStalled } from '../errors.ts';

/** The problem of an item called `name`, told by how its lane ended. */
export function blamed(name: string, how: unknown, memoryVariable?: string): ProblemError {
  if (how instanceof ProblemError) {
    const limit = how.code === 'memory_limit' && memoryVariable !== undefined ? ` (${memoryVariable})` : '';
    return new ProblemError(how.code, `${name}: ${how.message}${limit}`, { cause: how });
  }
  const detail = how instanceof Error ? how.message : String(how);
  return how instanceof LaneStalled
    ? new ProblemError('item_timeout', `${name}: ${detail}`, { cause: how })
    : new ProblemError('poisonous_item', `${name} ended the process that worked on it alone. ${detail}`, {
        cause: how,
      });
}

/** `work`, or the signal's reason as soon as that aborts; the work goes on then, and what comes of it is nobody's. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
