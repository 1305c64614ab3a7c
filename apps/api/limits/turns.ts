/** Lets so many requests of a subject be worked on at once; the rest wait in the order they came. */

/** Waits for a turn and returns what ends it, once. Rejects with the signal's reason when it aborts first; it is asked for only to wait. */
export type TakeTurn = (subject: string, signal: () => AbortSignal) => Promise<() => void>;

interface Line {
  working: number;
  readonly waiting: Set<() => void>;
}

/** Who has nothing under way takes no memory. How many may wait is for the caller to bound. */
export function createTurns(most: number): TakeTurn {
  const lines = new Map<string, Line>();
  return async (subject, signal) => {
    const line = lines.get(subject) ?? { working: 0, waiting: new Set() };
    lines.set(subject, line);
    if (line.working < most) line.working++;
    else await turnOf(line, signal());
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const [next] = line.waiting;
      if (next !== undefined) {
        // The turn is handed on, so that nobody who comes now is before those who wait.
        line.waiting.delete(next);
        next();
      } else if (--line.working === 0) lines.delete(subject);
    };
  };
}

function turnOf({ waiting }: Line, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      waiting.delete(begin);
      reject(signal.reason);
    };
    const begin = (): void => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    waiting.add(begin);
  });
}
