/** What workflows and the activities of a job say to each other; types only, so that zod stays out of workflows. */

/** The fence of a call: the job, the run it works under, the stage it is reported as. */
export interface Call {
  readonly jobId: string;
  readonly run: number;
  readonly stage: string;
}

/** Items by ordinal: `from` inclusive, `to` exclusive. */
export interface Page {
  readonly from: number;
  readonly to: number;
}

export interface StageCounts {
  readonly name: string;
  readonly done: number;
  readonly failed: number;
  readonly total: number | null;
}

/** What an activity says of a page: where to go on (null: finished), and the job's counts as they stand. */
export interface PageReport {
  readonly next: number | null;
  readonly stages: readonly StageCounts[];
}
