/** How a story's activities are called: their queue, their longest time, and what is tried again. */
import type { JobStart, Longest, longestActivity as longestUnsaid } from '@darkroom/contract';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { type ActivityOptions, log, proxyActivities } from '@temporalio/workflow';
import type { QueueActivities } from '../queues.ts';

const longestActivity: typeof longestUnsaid = '10 minutes';

/** The most that an activity of a kind may take. */
export const atMost = (ofKind: Longest = longestActivity): Longest =>
  msToNumber(ofKind) > msToNumber(longestActivity) ? ofKind : longestActivity;

/**
 * A removal looks for objects once more when no activity of the kind can write any: none may work for longer than the kind says. A run that
 * began before the kind said as much as its story asks for now goes on within what was said then.
 */
function bounded(start: JobStart, longest: Longest): Longest {
  const most = atMost(start.longest);
  if (msToNumber(longest) <= msToNumber(most)) return longest;
  log.warn(
    `An activity is to get ${longest}; the kind ${start.kind} said ${most} at most when the run began`,
  );
  return most;
}

export function optionsOn(
  start: JobStart,
  queue: string,
  longest: Longest = longestActivity,
): ActivityOptions {
  return {
    taskQueue: queue,
    // No bound counts from the schedule: waiting in a queue is no outage. Dead workers and outages are bounded by the time since
    // the first failed attempt, an item's own errors by count, both inside the activity.
    startToCloseTimeout: bounded(start, longest),
    heartbeatTimeout: `${start.timing.heartbeatSeconds} seconds`,
    // Not the SDK's default at run time: without it the run closes while the activity still works.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '500 ms', backoffCoefficient: 2, maximumInterval: '20 seconds' },
  };
}

/** What every worker's `light` queue offers to end a job that does not end itself. */
export const lightActivities = (start: JobStart) =>
  proxyActivities<QueueActivities['light']>(optionsOn(start, 'light'));
