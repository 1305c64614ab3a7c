/** The local activity of the workflow that stands in for standalone activities on an older server. */
import { ProblemError, type problemOf, type UnitRun } from '@darkroom/contract';
import { asUnitAttempt } from '@darkroom/frame';
import { countUnitAttempt, forgetUnitAttempts, type Records } from '@darkroom/records';
import { ApplicationFailure } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';

type Activities = NonNullable<WorkerOptions['activities']>;

/** Runs units by the activities of one queue. */
export function unitRunner(records: Records, activities: Activities): (run: UnitRun) => Promise<unknown> {
  return async ({ id, activity, args, attempts }) => {
    const work = (activities as Record<string, ((...args: unknown[]) => Promise<unknown>) | undefined>)[
      activity
    ];
    if (work === undefined) throw failure('internal', `This queue has no activity ${activity}.`);
    // Counted before it begins: an attempt that kills its process leaves nothing else behind.
    const attempt = await countUnitAttempt(records.db, id);
    if (attempt > attempts)
      throw failure('poisonous_item', `All ${attempts} attempts at ${id} came to no end.`);
    try {
      const result = await asUnitAttempt(attempt, () => work(...args));
      // A count that stays is forgotten after a day: records that are away now do not undo what was done.
      await forgetUnitAttempts(records.db, id).catch(() => {});
      return result;
    } catch (error) {
      if (attempt < attempts || error instanceof ApplicationFailure) throw error;
      const code = error instanceof ProblemError ? error.code : 'internal';
      throw failure(code, error instanceof Error ? error.message : String(error));
    }
  };
}

function failure(code: Parameters<typeof problemOf>[0], detail: string): ApplicationFailure {
  return ApplicationFailure.create({ type: `problem:${code}`, message: detail, nonRetryable: true });
}
