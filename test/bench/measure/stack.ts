/** The stack that a benchmark brings up for itself. */
import { startTestStack } from '../../harness/stack.ts';

/** Postgres, S3 and Temporal as a user's stack has them, not as tests shorten it; ended in order when the benchmark is told to end. */
export async function startBenchStack(name: string): ReturnType<typeof startTestStack> {
  const stack = await startTestStack(name, {
    HEARTBEAT_TIMEOUT_SECONDS: '10',
    SWEEP_INTERVAL_SECONDS: '15',
    LOG_LEVEL: 'warn',
  });
  // A second signal does not cut the orderly end off: servers would stay behind.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.on(signal, () => void stack.close().finally(() => process.exit(code)));
  return stack;
}
