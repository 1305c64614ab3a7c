/** The records: jobs, their items, attempts, events and logs, keys, uploads, and what analysis found. */
export * from './analysis.ts';
export * from './attempts.ts';
export * from './checkpoints.ts';
export { type Db, openRecords, type Records, type RecordsOptions } from './connection.ts';
export { type DocumentOptions, progressOf, type StageFacts, toJob } from './document.ts';
export * from './events.ts';
export { type Fence, Fenced, holdsFence } from './fence.ts';
export * from './items.ts';
export {
  abandonReceiving,
  type Caller,
  commitSubmission,
  createReceiving,
  findByIdempotencyKey,
  getJob,
  getJobRow,
  idAt,
  type JobFilter,
  keepReceiving,
  listJobs,
  type NewJob,
  type Role,
  type Submission,
  type SubmissionOutcome,
} from './jobs.ts';
export * from './keys.ts';
export * from './ledger.ts';
export {
  markCancelDispatched,
  markDeleted,
  markDispatched,
  type ResumeTrace,
  requestCancel,
  requestDelete,
  requestResume,
} from './lifecycle.ts';
export { appendLog, type LogFilter, type LogLine, logLimit, readLog } from './logs.ts';
export { migrate } from './migrate.ts';
export { type ProgressReport, recordProgress, type StageCount, setStage } from './progress.ts';
export * from './rerun.ts';
export * from './rows.ts';
export type { ItemFile } from './schema.ts';
export * from './segments.ts';
export * as sweepQueries from './sweep.ts';
export { markResultsRemoved } from './sweep.ts';
export { records, recordsProblem } from './unavailable.ts';
export * from './uploads.ts';
