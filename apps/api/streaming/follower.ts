/** Wakes whoever follows a job when it changes: one LISTEN connection for all of them. */
import { jobsChannel, type Records } from '@darkroom/records';

/** One follower of one job. */
export interface Following {
  /** Ends at the next change since the last call, after `timeoutMs`, or when `signal` aborts; true if it changed. */
  changed(timeoutMs: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

export interface Follower {
  follow(jobId: string): Following;
  close(): Promise<void>;
}

/** Begins to listen as soon as Postgres lets it: a process that starts while Postgres is away serves. */
export function createFollower(records: Pick<Records, 'listen'>): Follower {
  const followings = new Map<string, Set<() => void>>();
  const wake = (jobId: string): void => {
    for (const notify of followings.get(jobId) ?? []) notify();
  };
  // What was told while nobody listened is lost, so that everybody looks after each (re)connection.
  const wakeAll = (): void => {
    for (const jobId of followings.keys()) wake(jobId);
  };
  const listening = records.listen(jobsChannel, wake, wakeAll);

  return {
    follow(jobId) {
      const { following, notify } = createFollowing(() => {
        const others = followings.get(jobId);
        others?.delete(notify);
        if (others?.size === 0) followings.delete(jobId);
      });
      const all = followings.get(jobId) ?? new Set();
      followings.set(jobId, all.add(notify));
      return following;
    },
    close: async () => (await listening).unlisten(),
  };
}

function createFollowing(onClose: () => void): { following: Following; notify: () => void } {
  let dirty = false;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    dirty = true;
    wake?.();
  };
  const following: Following = {
    async changed(timeoutMs, signal) {
      if (!dirty && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const end = (): void => {
            clearTimeout(timer);
            signal.removeEventListener('abort', end);
            resolve();
          };
          const timer = setTimeout(end, timeoutMs);
          signal.addEventListener('abort', end);
          wake = end;
        });
      }
      const seen = dirty;
      dirty = false;
      return seen;
    },
    close: onClose,
  };
  return { following, notify };
}
