/** Bounds calls of the engine in time, and tells its absence apart from a call that was late. */
import { ProblemError } from '@darkroom/contract';
import { type Client, isGrpcServiceError } from '@temporalio/client';

/** Longest wait for an answer of the engine; a caller behind HTTP must not hang. */
export const deadlineMs = 3000;

/** How long an engine found away is not asked again. */
export const restMs = 2000;

export interface BoundedCalls {
  <R>(fn: () => Promise<R>): Promise<R>;
  /** Refuses calls from now on; resolves when none is under way, after {@link deadlineMs} at the latest. */
  end(): Promise<void>;
}

/**
 * Runs calls under a deadline; throws `engine_unavailable` where there was no answer. Callers come one after the other: while the engine
 * was found away a moment ago, the next one is told at once instead of waiting out the same deadline. It is found away when it refuses a
 * connection, or when a call was late and none was answered since it began: under load one call may be late that a server is busy with,
 * or this process. `now` in milliseconds.
 */
export function boundedCalls(
  client: Pick<Client, 'withDeadline'>,
  now: () => number = Date.now,
): BoundedCalls {
  const underWay = new Set<Promise<unknown>>();
  let ended = false;
  let answeredAt = Number.NEGATIVE_INFINITY;
  let awayUntil = 0;
  const answered = (): void => {
    answeredAt = now();
    awayUntil = 0;
  };
  const ask = async <R>(fn: () => Promise<R>): Promise<R> => {
    const began = now();
    if (ended || began < awayUntil) throw away();
    try {
      const result = await client.withDeadline(began + deadlineMs, fn);
      answered();
      return result;
    } catch (error) {
      const absence = absenceIn(error);
      if (absence === undefined) {
        answered();
        throw error;
      }
      if (absence === 'refused' || answeredAt < began) awayUntil = now() + restMs;
      throw away(error);
    }
  };
  const counted = async <R>(fn: () => Promise<R>): Promise<R> => {
    const asked = ask(fn);
    underWay.add(asked);
    try {
      return await asked;
    } finally {
      underWay.delete(asked);
    }
  };
  return Object.assign(counted, {
    async end() {
      ended = true;
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  });
}

const away = (cause?: unknown): ProblemError =>
  new ProblemError('engine_unavailable', 'Temporal does not answer.', { cause });

/** gRPC 14 UNAVAILABLE and a connection that could not be made; 4 DEADLINE_EXCEEDED, 1 CANCELLED. Undefined: the server said it. */
function absenceIn(error: unknown): 'refused' | 'late' | undefined {
  if (!(error instanceof Error)) return undefined;
  if (isGrpcServiceError(error)) {
    if (error.code === 14) return 'refused';
    return error.code === 4 || error.code === 1 ? 'late' : undefined;
  }
  if (error.cause !== undefined) return absenceIn(error.cause);
  return /connect|ECONNREFUSED/i.test(error.message) ? 'refused' : undefined;
}
