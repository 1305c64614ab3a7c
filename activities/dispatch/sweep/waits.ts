/** What the rows of runs say that wait for a worker. */
import { setTimeout as sleep } from 'node:timers/promises';
import { queues } from '@darkroom/contract';
import { type JobRow, sweepQueries as rows } from '@darkroom/records';
import type { RunView } from '../engine/engine.ts';
import type { DispatchDeps } from '../index.ts';
import { Round } from './round.ts';

/** Silence after which a run is looked at: one that works reports about once a second. */
export const silentMs = 10_000;

type WaitDeps = Pick<DispatchDeps, 'engine' | 'records'>;

/** The row says for which workers the run waits, until an attempt opens or somebody serves the queue. */
export async function noteWait(
  { engine, records }: WaitDeps,
  job: JobRow,
  { waitsIn }: RunView,
): Promise<void> {
  const served = await Promise.all(waitsIn.map((queue) => engine.isServed(queue)));
  const unserved = waitsIn.filter((_, index) => served[index] === false);
  const waiting = unserved.length === 0 ? null : unservedText(unserved);
  const isOurs = job.waiting?.startsWith(unservedText([])) === true;
  if (waiting === job.waiting || (waiting === null && !isOurs)) return;
  await rows.noteUnserved(records.db, job, waiting);
}

const unservedText = (queues: readonly string[]): string => `No worker serves ${queues.join(', ')}`;

/**
 * Notes the same while nobody serves the queue of light steps, on which the sweep itself waits for a worker: for a process that is no
 * worker. One look at that queue at each interval of the sweep, and rows are read only when nobody polls it. Ends when `signal` aborts;
 * never throws.
 */
export async function noteWaitsUnswept(
  deps: WaitDeps & Pick<DispatchDeps, 'config' | 'logger'>,
  signal: AbortSignal,
): Promise<void> {
  const { engine, records, config, logger } = deps;
  const round = new Round();
  const pass = async (): Promise<void> => {
    if (await engine.isServed(queues.light)) return;
    await round.turn(
      (...page) => rows.openRuns(records.db, silentMs, ...page),
      async (job) => {
        const view = await engine.describe(job.id);
        if (view.state === 'running') await noteWait(deps, job, view);
      },
      signal,
    );
  };
  while (!signal.aborted) {
    await pass().catch((error: unknown) => {
      if (!signal.aborted) logger.debug({ err: error }, 'what waits for a worker could not be looked at');
    });
    await sleep(config.sweep.intervalSeconds * 1000, undefined, { signal }).catch(() => {});
  }
}
