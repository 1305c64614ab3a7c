/** The records of every job: its items, attempts, events and logs, keys, uploads. What a kind keeps of its own comes in as its KindRecords. */
export * from './attempts/attempts.ts';
export { type Fence, Fenced, fencedOff, fenceOf, holdsFence, lockFence, RunEnded } from './attempts/fence.ts';
export { type ProgressUpdate, recordProgress, type StageCount, setStage } from './attempts/progress.ts';
export {
  getStage,
  keepStageResult,
  openStage,
  saveStageCheckpoint,
  stageObjects,
  takeStageInput,
} from './attempts/stages.ts';
export * from './attempts/unit-attempts.ts';
export * from './feed/events.ts';
export { appendLog, type LogFilter, type LogLine, logLimit, readLog } from './feed/logs.ts';
export * from './items/checkpoints.ts';
export {
  countFiles,
  type FilePlace,
  fileAt,
  filePlace,
  type ItemOutcome,
  type ListedFile,
  listFiles,
  outcomeOfItems,
  packUris,
} from './items/files.ts';
export * from './items/items.ts';
export * from './items/ledger.ts';
export { beginAgain } from './jobs/begin-again.ts';
export { type DocumentOptions, type JobFacts, progressOf, type StageFacts, toJob } from './jobs/document.ts';
export * from './jobs/ending.ts';
export {
  clockSkewMs,
  getJob,
  getJobRow,
  getJobs,
  idAt,
  type JobFilter,
  listJobs,
  type MarkedJob,
} from './jobs/jobs.ts';
export {
  assertToDelete,
  markCancelDispatched,
  markDeleted,
  markDispatched,
  type ResumeTrace,
  requestCancel,
  requestDelete,
  requestResume,
} from './jobs/lifecycle.ts';
export {
  abandonReceiving,
  assertAbandoned,
  type Caller,
  createReceiving,
  keepReceiving,
  type NewJob,
  type Role,
  removeAbandoned,
} from './jobs/receiving.ts';
export { type AtWork, remainingOfEstimate, remainingSeconds } from './jobs/remaining.ts';
export * from './jobs/rerun.ts';
export { overLimit, sizeOf, sizeTogether } from './jobs/size.ts';
export {
  commitSubmission,
  findByIdempotencyKey,
  releaseIdempotencyKey,
  type Submission,
  type SubmissionOutcome,
  type SubmittedItem,
  submitJob,
} from './jobs/submission.ts';
export * from './keys.ts';
export type { JobTable, Kind, KindRecords, Kinds } from './kind.ts';
export { isMigrated, migrate } from './migrate.ts';
export { type Db, openRecords, type Records, type RecordsOptions } from './postgres/connection.ts';
export { read, records, recordsProblem, write } from './postgres/unavailable.ts';
export * from './queue/queue.ts';
export * from './rows.ts';
export type { ItemFile, ItemPlace } from './schema.ts';
export * from './upkeep/retention.ts';
export * as sweepQueries from './upkeep/sweep.ts';
export { confirmLostRuns } from './upkeep/sweep.ts';
export * from './uploads.ts';
