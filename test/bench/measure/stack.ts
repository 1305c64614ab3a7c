/** The stack that a benchmark brings up for itself. */
import { createStorage } from '@darkroom/storage';
import { sampleBucket } from '../../../apps/local/stack/samples.ts';
import { startTestStack, type TestStack } from '../../harness/stack.ts';
import { photosPrefix } from '../photo/recognition.ts';
import { putPhotos } from '../photo/sources.ts';

/** Postgres, S3 and Temporal as a user's stack has them, not as tests shorten it; ended in order when the benchmark is told to end. */
export async function startBenchStack(
  name: string,
  env: Record<string, string> = {},
): ReturnType<typeof startTestStack> {
  const stack = await startTestStack(name, {
    HEARTBEAT_TIMEOUT_SECONDS: '10',
    SWEEP_INTERVAL_SECONDS: '15',
    LOG_LEVEL: 'warn',
    ...env,
  });
  // A second signal does not cut the orderly end off: servers would stay behind.
  const signals = { SIGINT: 130, SIGTERM: 143 } as const;
  const names = Object.keys(signals) as (keyof typeof signals)[];
  const end = (signal: keyof typeof signals): void =>
    void stack.close().finally(() => process.exit(signals[signal]));
  for (const name of names) process.on(name, end);
  return {
    ...stack,
    async close() {
      await stack.close();
      // The next stack of the same benchmark has an end of its own, which this one's would cut short.
      for (const name of names) process.off(name, end);
    },
  };
}

/** Puts photos 1 to `count` where jobs may read them. Returns their bytes in sum. */
export async function storePhotos(stack: TestStack, count: number): Promise<number> {
  const { endpoint, region, accessKeyId, secretAccessKey } = stack.stack.s3;
  const storage = createStorage({
    endpoint,
    region,
    accessKeyId,
    secretAccessKey,
    bucket: sampleBucket,
    forcePathStyle: true,
  });
  try {
    return await putPhotos(storage, photosPrefix, count);
  } finally {
    storage.close();
  }
}
