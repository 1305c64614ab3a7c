/** A worker of the engines named by its arguments, in a process of its own as the platform's is. */
import { createRequire } from 'node:module';
import { bundleWorkflowCode, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { echo } from './activity.ts';

const silent = (): void => {};
const quiet = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
Runtime.install({ logger: quiet });
const workflowBundle = await bundleWorkflowCode({
  workflowsPath: createRequire(import.meta.url).resolve('./workflows.ts'),
  logger: quiet,
});
const workers = await Promise.all(
  process.argv.slice(2).map(async (address) =>
    Worker.create({
      connection: await NativeConnection.connect({ address }),
      taskQueue: 'bench',
      workflowBundle,
      activities: { echo },
    }),
  ),
);
process.once('disconnect', () => {
  for (const worker of workers) worker.shutdown();
});
process.send?.('ready');
await Promise.all(workers.map((worker) => worker.run()));
process.exit();
