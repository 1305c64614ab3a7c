/** Which attempt at a durable unit runs, whoever counts them: the engine, or the records where a workflow stands in for the unit. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { activityInfo } from '@temporalio/activity';

const counted = new AsyncLocalStorage<number>();

/** Runs `work` as that attempt at its unit: the engine's count of a local activity is lost with its worker. */
export const asUnitAttempt = <R>(attempt: number, work: () => R): R => counted.run(attempt, work);

/** The number of the attempt that runs, from 1. */
export const unitAttempt = (): number => counted.getStore() ?? activityInfo().attempt;
