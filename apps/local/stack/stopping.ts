import { type RunningStack, type StackOptions, Supervisor } from './supervisor.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Brings a stack up, does `work` with it, and stops it, also when Ctrl-C or SIGTERM comes in the middle (then `interrupted`
 * aborts and the result is undefined). A second Ctrl-C makes the stop short.
 */
export async function withStack<T>(
  options: StackOptions,
  work: (running: RunningStack, interrupted: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const supervisor = new Supervisor(options);
  const interruption = new AbortController();
  const { promise: interrupted, resolve } = Promise.withResolvers<undefined>();
  const onSignal = () => {
    const again = interruption.signal.aborted;
    if (!again) options.terminal.say('Stopping. Again to make it short.');
    interruption.abort();
    resolve(undefined);
    void supervisor.stop(again);
  };
  // An error that nobody caught must not end this process before its servers, which are groups of their own and would stay.
  const { promise: broken, reject: fail } = Promise.withResolvers<never>();
  broken.catch(() => {});
  process.on('uncaughtException', fail);
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const done = supervisor.start().then((running) => work(running, interruption.signal));
    done.catch(() => {});
    return await Promise.race([done, interrupted, broken]);
  } finally {
    await supervisor.stop();
    for (const signal of signals) process.off(signal, onSignal);
    process.off('uncaughtException', fail);
  }
}
