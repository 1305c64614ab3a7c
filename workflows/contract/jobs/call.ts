/** What workflows and the activities of a job say to each other; types only, so that zod stays out of workflows. */
import type { EndState, ManifestFile } from './job.ts';

/** The fence of a call: the job, the run it works under, the stage it is reported as. */
export interface Call {
  readonly jobId: string;
  readonly run: number;
  readonly stage: string;
  /** Of a call that takes the place of one to a single worker. */
  readonly replaces?: ReplacedCall;
}

/** A call of the same run to one worker alone, whose only attempt has come to nothing: the attempts at its successor are its next ones. */
export interface ReplacedCall {
  /** Temporal's id of its activity. */
  readonly activity: string;
  /** Whether the attempt failed, or its worker died; one that stops has released it. */
  readonly failed: boolean;
}

/** Items by ordinal: `from` inclusive, `to` exclusive. */
export interface Page {
  readonly from: number;
  readonly to: number;
  /** The group that its items belong to; the first one's, where groups have joined. */
  readonly group?: string;
  /** Small groups whose items follow those of `group`, in order. */
  readonly joined?: readonly string[];
  /** The page is all there is of the job: whoever works on it to its end may publish the job as well. */
  readonly whole?: boolean;
}

/** A page that a run has found and not finished. */
export interface OpenPage extends Page {
  /** Task queue of the one worker that has the page's group open. */
  readonly openAt?: string;
}

/** Groups of a stage's items as pages, in order, small ones together; where to look for more (null: these were the last). */
export interface GroupPages {
  readonly pages: readonly Page[];
  readonly next: number | null;
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
  /** Task queue of the worker that has the page's group open, where it serves one of its own. */
  readonly openAt?: string;
  /** Milliseconds that an item took on the whole: those in hand at once together, and those that were done already. */
  readonly itemMs?: number;
  /** The activity has published the job too. Only of a page that was the whole of it. */
  readonly end?: Published;
}

/**
 * What publishing a job came to: its end; or of how many items and files the store has lost objects since they were written, which is to
 * be made good before the job is published again.
 */
export type Published = { readonly state: EndState } | { readonly missing: number };

/** What was delivered to a place of its user's: it is theirs, and stays whatever becomes of the job. */
export interface Delivered {
  /** `s3://bucket/prefix/` or `file:///directory/`. */
  readonly to: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * What a turn of a delivery came to: more to do; of how many items and files the store has lost objects, which are to be made again before
 * all can be delivered; or all is there, with the job's own files that were, for its publication.
 */
export type Delivery =
  | { readonly done: false }
  | { readonly done: true; readonly missing: number }
  | { readonly done: true; readonly delivered: Delivered; readonly written: readonly ManifestFile[] };
