/** The smallest workflows there are: one activity, run in each of the two ways. */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { echo } from './activity.ts';

interface Activities {
  echo: typeof echo;
}

const remote = proxyActivities<Activities>({ startToCloseTimeout: '10 seconds' });
const local = proxyLocalActivities<Activities>({ startToCloseTimeout: '10 seconds' });

export const withActivity = (given: number): Promise<number> => remote.echo(given);
export const withLocalActivity = (given: number): Promise<number> => local.echo(given);
