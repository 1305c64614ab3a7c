/** An orderly end of a process: what was opened last is closed first, and nothing holds the rest up. */
import type { Logger } from './logs/log.ts';

export interface Shutdown {
  /** Adds a step; steps run one after the other, the last added first. One that takes longer than `timeoutMs` is left behind. */
  onShutdown(name: string, step: () => unknown, timeoutMs?: number): void;
  /** Aborts when the end begins. */
  readonly signal: AbortSignal;
  /** Begins the end; a second call waits for the same one. */
  shutdown(reason: string): Promise<void>;
}

const defaultTimeoutMs = 10_000;

/**
 * Ends the process in order on SIGINT and SIGTERM, with exit code 0, or 1 if a step failed or took too long.
 * A second signal ends it at once.
 */
export function handleShutdown(logger: Logger): Shutdown {
  const steps: { name: string; step: () => unknown; timeoutMs: number }[] = [];
  const begun = new AbortController();
  let ending: Promise<void> | undefined;

  const end = async (reason: string): Promise<void> => {
    logger.info({ reason }, 'shutting down');
    begun.abort(new Error(reason));
    let clean = true;
    for (let next = steps.pop(); next !== undefined; next = steps.pop()) {
      const { name, step, timeoutMs } = next;
      try {
        await within(timeoutMs, name, step);
      } catch (error) {
        clean = false;
        logger.error({ err: error, step: name }, 'a step of the shutdown failed');
      }
    }
    logger.info('stopped');
    process.exit(clean ? 0 : 1);
  };

  const shutdown = (reason: string): Promise<void> => {
    ending ??= end(reason);
    return ending;
  };

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (begun.signal.aborted) process.exit(130);
      void shutdown(signal);
    });
  }

  return {
    onShutdown: (name, step, timeoutMs = defaultTimeoutMs) => {
      steps.push({ name, step, timeoutMs });
    },
    signal: begun.signal,
    shutdown,
  };
}

async function within(ms: number, name: string, step: () => unknown): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not end within ${ms} ms.`)), ms);
  });
  try {
    await Promise.race([Promise.resolve().then(step), late]);
  } finally {
    clearTimeout(timer);
  }
}
