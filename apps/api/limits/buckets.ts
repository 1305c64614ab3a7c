/** Token buckets: how many requests somebody may still make. In this process's memory, and bounded there. */

/** What a bucket says of one request. */
export interface Taken {
  readonly allowed: boolean;
  /** Requests left, whole ones. */
  readonly remaining: number;
  /** Seconds after which one more is allowed; 0 where one is. */
  readonly retryAfterSeconds: number;
  /** Seconds after which all of the burst is there again. */
  readonly fullInSeconds: number;
}

export interface BucketOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** Subjects that are remembered; of more, those that asked longest ago begin again with a full bucket. */
  readonly subjects: number;
  /** Milliseconds, never falling. */
  readonly now: () => number;
}

/** Returns `take(subject)`, which takes one token of the subject's bucket, if there is one. */
export function createBuckets({
  perSecond,
  burst,
  subjects,
  now,
}: BucketOptions): (subject: string) => Taken {
  // In the order of their last use: a subject is put back at the end.
  const buckets = new Map<string, { readonly tokens: number; readonly at: number }>();
  return (subject) => {
    const at = now();
    const before = buckets.get(subject);
    const grown =
      before === undefined ? burst : Math.min(burst, before.tokens + ((at - before.at) / 1000) * perSecond);
    const allowed = grown >= 1;
    const tokens = allowed ? grown - 1 : grown;
    buckets.delete(subject);
    buckets.set(subject, { tokens, at });
    if (buckets.size > subjects) {
      const [oldest] = buckets.keys();
      buckets.delete(oldest!);
    }
    return {
      allowed,
      remaining: Math.floor(tokens),
      retryAfterSeconds: tokens >= 1 ? 0 : Math.ceil((1 - tokens) / perSecond),
      fullInSeconds: Math.ceil((burst - tokens) / perSecond),
    };
  };
}
