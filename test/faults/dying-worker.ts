/** A worker of a queue whose one activity kills the process that runs it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { unitAttempt } from '@darkroom/frame';
import { runWorker } from '@darkroom/worker/run.ts';

await runWorker({
  names: ['dying'],
  queues: {
    dying: {
      activities: async () => ({
        async die(id: string): Promise<void> {
          console.log(`dies of ${id}, attempt ${unitAttempt()}`);
          // The line gets out first.
          await sleep(100);
          process.kill(process.pid, 'SIGKILL');
          await sleep(60_000);
        },
      }),
      slots: () => 1,
    },
  },
});
