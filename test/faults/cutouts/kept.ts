/** Workers that are started again whenever they have died. */
import type { TestProcess } from '../../harness/process.ts';
import { until } from '../platform.ts';

/** A worker that another one takes the place of whenever it ends. */
export interface Kept {
  readonly process: TestProcess;
  /** Ends it; resolves with how it ended, when another one serves. */
  replace(signal: NodeJS.Signals): Promise<NodeJS.Signals | number>;
  stop(): Promise<void>;
}

/** Starts one, and another one whenever it has ended. */
export async function keep(start: () => Promise<TestProcess>): Promise<Kept> {
  let process = await start();
  let stopping = false;
  const working = (async () => {
    for (;;) {
      await process.ended;
      if (stopping) return;
      process = await start();
      // It was told to while that one started.
      if (stopping) await process.stop();
    }
  })();
  // Its failure is met in `stop`.
  working.catch(() => {});
  return {
    get process() {
      return process;
    },
    async replace(signal) {
      const before = process;
      before.kill(signal);
      const how = await before.ended;
      await until(async () => process !== before, { what: 'another worker' });
      return how;
    },
    async stop() {
      stopping = true;
      await process.stop();
      await working;
    },
  };
}
