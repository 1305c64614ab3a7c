/** The child of `analyseIsolated`: takes one photo, answers, and lives no longer than its parent. */
import { ProblemError } from '@darkroom/contract';
import { analyse } from '../analyse.ts';
import { openModel } from '../model/session.ts';
import type { ChildOptions, ToChild, ToParent } from './isolate.ts';

// Not exit(): that would wait for, and trip over, a run under way in its thread.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));

const reply = (message: ToParent) => process.send?.(message);
let enter: (() => void) | undefined;

process.on('message', (message: ToChild) => {
  if (message.type === 'go') enter?.();
  else void work(message.bytes, message.options);
});

async function work(bytes: Buffer, { model, ...options }: ChildOptions): Promise<void> {
  try {
    const opened = await openModel({ ...model, lanes: 1 });
    const analysis = await analyse(
      bytes,
      { ...options, model: opened },
      {
        onStage: (stage) =>
          new Promise<void>((resolve) => {
            enter = resolve;
            reply({ type: 'stage', stage });
          }),
      },
    );
    reply({ type: 'done', analysis });
  } catch (error) {
    reply({
      type: 'failed',
      code: error instanceof ProblemError ? error.code : undefined,
      detail: error instanceof Error ? error.message : String(error),
    });
  }
}
