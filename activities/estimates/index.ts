/** What a piece of work will take, learnt from what others like it took; for jobs and requests of any kind. */
export { type Asked, Estimates, type EstimatesOptions, observe } from './estimates.ts';
export {
  type Comparable,
  type KeyedRun,
  keptRuns,
  type NotedRuns,
  newRuns,
  recordRun,
  recordRuns,
  removeOldRuns,
} from './history.ts';
export { assumedOf, comparableJob, estimateOfJob, type SizedJob } from './jobs.ts';
export type { Features, Linear } from './model/fit.ts';
export {
  type Amount,
  type Assumed,
  type AssumedAmount,
  type Estimate,
  type EstimateError,
  Model,
  type Run,
} from './model/model.ts';
