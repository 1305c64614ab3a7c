/**
 * Holds each caller to what one may take: requests a second, and what is open at once. Counted in this process; Postgres
 * counts open uploads.
 *
 * Headers as draft-ietf-httpapi-ratelimit-headers (revision 11) writes them.
 */
import { ProblemError } from '@darkroom/contract';
import type { Config } from '@darkroom/platform';
import type { MiddlewareHandler } from 'hono';
import type { ApiContext, ApiEnv } from '../context.ts';
import { createBuckets, type Taken } from '../limits/buckets.ts';
import { createSlots, type TakeSlot } from '../limits/slots.ts';
import { addressOf, subjectOf } from '../limits/subject.ts';
import { createTurns } from '../limits/turns.ts';
import { isStreamed, type TypesTaken } from './body.ts';
import { setHeader } from './headers.ts';

/** What lasts, and is counted beside the requests. */
export type Lasting = 'events' | 'archives';

const subjects = 20_000;
const retryOpenAfterSeconds = 5;
/** Whoever waits this long for a store or a database is no more in the way of others. */
const longestTurnMs = 1000;

/** The limits of one API process. */
export function createAdmission(
  { quotas, client, predictions }: Pick<Config, 'quotas' | 'client' | 'predictions'>,
  typesTaken: TypesTaken,
  isPrediction: (method: string, path: string) => boolean,
) {
  const { requestsPerSecond: perSecond, requestBurst: burst } = quotas;
  const now = (): number => performance.now();
  const take = createBuckets({ perSecond, burst, subjects, now });
  const predicted = createBuckets({ ...predictions, subjects, now });
  const openPredictions = 2 * predictions.queue;
  const predicting = createSlots(openPredictions);
  const turns = createTurns(quotas.workingRequests);
  const requests = createSlots(quotas.openRequests);
  const uploading = createSlots(quotas.uploadingRequests);
  const lasting: Readonly<Record<Lasting, TakeSlot>> = {
    events: createSlots(quotas.eventStreams),
    archives: createSlots(quotas.archives),
  };
  const policy = `"requests";q=${burst};w=${Math.max(1, Math.round(burst / perSecond))}`;

  const tell = (c: ApiContext, { remaining, fullInSeconds }: Taken): void => {
    setHeader(c, 'ratelimit-policy', policy);
    setHeader(c, 'ratelimit', `"requests";r=${remaining};t=${fullInSeconds}`);
  };
  const count = (c: ApiContext, subject: string): Taken => {
    const taken = take(subject);
    if (taken.allowed) return taken;
    tell(c, taken);
    const detail = `More than ${perSecond} requests a second, or ${burst} at once (LIMIT_REQUESTS_PER_SECOND, LIMIT_REQUEST_BURST).`;
    throw new ProblemError('rate_limited', detail, { retryAfterSeconds: taken.retryAfterSeconds });
  };

  /** Of load more is refused by what cannot be made in time; this is against floods alone. Throws `rate_limited`. */
  const countPrediction = (subject: string): void => {
    const { allowed, retryAfterSeconds } = predicted(subject);
    if (allowed) return;
    const detail = `More than ${predictions.perSecond} predictions a second, or ${predictions.burst} at once (LIMIT_PREDICTIONS_PER_SECOND, LIMIT_PREDICTION_BURST).`;
    throw new ProblemError('rate_limited', detail, { retryAfterSeconds });
  };

  /** An answer lasts until the client has taken it, or has gone; who takes nothing of it for CLIENT_IDLE_SECONDS is cut off. */
  const untilTaken = async (c: ApiContext, release: () => void, work: () => Promise<void>): Promise<void> => {
    const { outgoing } = c.env ?? {};
    outgoing?.once('close', release);
    try {
      await work();
    } finally {
      if (outgoing === undefined || outgoing.closed) release();
    }
    outgoing?.socket?.setTimeout(client.idleSeconds * 1000);
  };

  return {
    /** Counts a request of somebody whose key is not known here. Throws `rate_limited`. */
    stranger: (c: ApiContext): void => tell(c, count(c, addressOf(c, client.trustedProxies))),

    /** Counts a request, and what it holds open until its answer is taken. Throws `rate_limited`, `too_many_open`. */
    middleware: (async (c, next) => {
      const subject = subjectOf(c, client.trustedProxies);
      if (isPrediction(c.req.method, c.req.path) && isStreamed(c, typesTaken)) {
        countPrediction(subject);
        const release = predicting(subject);
        if (release === undefined)
          throw new ProblemError(
            'too_many_open',
            `${openPredictions} predictions are under way (twice PREDICTION_QUEUE).`,
            { retryAfterSeconds: retryOpenAfterSeconds },
          );
        return untilTaken(c, release, next);
      }
      const taken = count(c, subject);
      const held: (() => void)[] = [];
      const hold = (slots: TakeSlot, what: string): (() => void) => {
        const release = slots(subject);
        if (release === undefined)
          throw new ProblemError('too_many_open', what, { retryAfterSeconds: retryOpenAfterSeconds });
        held.push(release);
        return release;
      };
      const releaseAll = (): void => {
        for (const release of held) release();
      };
      await untilTaken(c, releaseAll, async () => {
        try {
          hold(requests, `${quotas.openRequests} requests are under way (LIMIT_OPEN_REQUESTS).`);
          c.set('hold', (what) => void hold(lasting[what], words[what](quotas)));
          const sent = isStreamed(c, typesTaken)
            ? hold(
                uploading,
                `${quotas.uploadingRequests} requests are sending files (LIMIT_UPLOADING_REQUESTS).`,
              )
            : undefined;
          await next();
          sent?.();
        } finally {
          tell(c, taken);
        }
      });
    }) satisfies MiddlewareHandler<ApiEnv>,

    /** Waits for the caller's turn; after the body has come, so that a slow one holds none. */
    turn: (async (c, next) => {
      // What sends files is waited for by its own limit; it works while the client sends.
      if (isStreamed(c, typesTaken)) return next();
      const end = await turns(subjectOf(c, client.trustedProxies), () => c.req.raw.signal);
      const long = setTimeout(end, longestTurnMs);
      try {
        await next();
      } finally {
        clearTimeout(long);
        end();
      }
    }) satisfies MiddlewareHandler<ApiEnv>,
  };
}

const words = {
  events: ({ eventStreams }: Config['quotas']) =>
    `${eventStreams} event streams or logs are followed (LIMIT_EVENT_STREAMS).`,
  archives: ({ archives }: Config['quotas']) => `${archives} archives are downloaded (LIMIT_ARCHIVES).`,
} as const;
