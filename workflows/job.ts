/**
 * The frame of a job's workflow: its beginning, cancel, clean-up and end. What its story is told with is in `story/`.
 *
 * A kind's file calls {@link defineJob} with the story of the job; everything here is what the stories share.
 * Workflow code is deterministic: no clock, no environment, no zod; it imports types of the contract only.
 */
import type { EndState, JobStart, Published } from '@darkroom/contract';
import { defineSearchAttributeKey, HandlerUnfinishedPolicy } from '@temporalio/common';
import {
  ApplicationFailure,
  CancellationScope,
  defineSignal,
  isCancellation,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { QueueActivities } from './queues.ts';
import { lightActivities } from './story/activities.ts';
import { Details } from './story/details.ts';
import { closing, isContinueAsNew, problemOfFailure } from './story/failures.ts';
import { type Story, storyOf } from './story/story.ts';

export { pagesByTime, pagesOf } from './story/measured-pages.ts';

/** Cancels the job and says why; the same end as Temporal's own cancel and as the API's. */
export const cancelSignal = defineSignal<[string?]>('cancel');

const jobStateKey = defineSearchAttributeKey('JobState', 'KEYWORD');

/** Rounds of a story that the store lost objects in, before the job fails. */
const mostRedone = 3;

/**
 * Defines the workflow of a kind. `story` returns when the job's last activity has published it, and is told once more when that found
 * objects missing: the ledger skips what is there. When it throws or is cancelled, the frame ends the job's row and leaves nothing
 * half-published. A kind whose queues are not the house's own names theirs.
 */
export function defineJob<Queues = QueueActivities>(
  story: (job: Story<Queues>, start: JobStart) => Promise<Published>,
): (start: JobStart) => Promise<{ state: EndState }> {
  return async (start) => {
    /** Activities that were asked for and have not ended. */
    const atWork = new Set<Promise<unknown>>();
    const details = new Details(start);
    let reason: string | undefined;
    setHandler(
      cancelSignal,
      async (why) => {
        reason ??= why ?? 'Cancelled by signal.';
        await askToCancel(start, reason);
      },
      { unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON },
    );
    const showEnd = (state: EndState): void => {
      upsertSearchAttributes([{ key: jobStateKey, value: state }]);
      details.show(state);
    };
    details.show('running');
    try {
      for (let again = start; ; ) {
        const end = await story(storyOf<Queues>(again, details, atWork), again);
        if ('state' in end) {
          showEnd(end.state);
          return end;
        }
        again = redo(again, end.missing);
      }
    } catch (error) {
      if (isContinueAsNew(error)) throw error;
      const cancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
      // What a story does side by side does not end at once: a cancelled job has nobody at work on it.
      if (cancelled && atWork.size > 0)
        await CancellationScope.nonCancellable(() => Promise.allSettled([...atWork]));
      const inRow = await CancellationScope.nonCancellable(() =>
        lightActivities(start).finish.executeWithOptions({ summary: 'clean up' }, [
          { jobId: start.jobId, run: start.run, stage: 'finish' },
          cancelled
            ? { state: 'cancelled', reason: reason ?? 'Cancelled in Temporal.' }
            : { state: 'failed', ...problemOfFailure(error) },
        ]),
      );
      // A worker may die between the end in the row and its answer; the run then ends as the row did. Older workers answer nothing.
      const state = inRow ?? (cancelled ? 'cancelled' : 'failed');
      showEnd(state);
      if (state === 'succeeded' || state === 'succeeded_with_warnings') return { state };
      if (state === 'cancelled' && !cancelled) await askToCancel(start, 'The job is cancelled.');
      throw closing(error, state === 'cancelled');
    }
  };
}

/** The story from its beginning. Throws when that has been tried too often. */
function redo({ cursor: _, cursors: __, open: ___, ...start }: JobStart, missing: number): JobStart {
  const redone = (start.redone ?? 0) + 1;
  if (redone <= mostRedone) return { ...start, redone };
  throw ApplicationFailure.nonRetryable(
    `${missing} items and files had no end or no object in the store when the job was to be published, after they were made again ${mostRedone} times. Somebody deletes them.`,
    'problem:internal',
  );
}

/** A run cannot cancel itself. Being asked to makes it close as Canceled, whichever way the cancel came. */
async function askToCancel(start: JobStart, reason: string): Promise<void> {
  await CancellationScope.nonCancellable(() =>
    lightActivities(start).cancelRun.executeWithOptions({ summary: 'cancel' }, [start.jobId, reason]),
  );
}
