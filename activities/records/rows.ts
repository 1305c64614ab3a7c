/** Rows as the tables hold them. */
import type {
  apiKeys,
  jobAttempts,
  jobCheckpoints,
  jobEvents,
  jobItems,
  jobLogs,
  jobStages,
  jobs,
  uploads,
} from './schema.ts';
import type { taskSegments, tasks } from './schema-analysis.ts';

export type JobRow = typeof jobs.$inferSelect;
export type StageRow = typeof jobStages.$inferSelect;
export type ItemRow = typeof jobItems.$inferSelect;
export type AttemptRow = typeof jobAttempts.$inferSelect;
export type CheckpointRow = typeof jobCheckpoints.$inferSelect;
export type EventRow = typeof jobEvents.$inferSelect;
export type LogRow = typeof jobLogs.$inferSelect;
export type ApiKeyRow = typeof apiKeys.$inferSelect;
export type UploadRow = typeof uploads.$inferSelect;
export type TaskRow = typeof tasks.$inferSelect;
export type TaskSegmentRow = typeof taskSegments.$inferSelect;

/** A job with its stages in their order. */
export interface JobWithStages {
  readonly job: JobRow;
  readonly stages: StageRow[];
}
