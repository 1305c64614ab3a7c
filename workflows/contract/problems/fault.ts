/** Whose a problem is, and what follows from that. */
export type Fault = 'yours' | 'ours' | 'limit';

export interface ProblemKind {
  /** HTTP status when the API answers with it; for a job's or item's problem, what it would be. */
  readonly status: number;
  readonly title: string;
  readonly fault: Fault;
  readonly retryable: boolean;
  readonly next: string;
}

export const yours = (status: number, title: string, next: string): ProblemKind => ({
  status,
  title,
  fault: 'yours',
  retryable: false,
  next,
});
export const limit = (status: number, title: string, next: string): ProblemKind => ({
  status,
  title,
  fault: 'limit',
  retryable: false,
  next,
});
/** 429: the same request is taken later. */
export const later = (title: string, next: string): ProblemKind => ({
  ...limit(429, title, next),
  retryable: true,
});
export const ours = (status: number, title: string, next: string): ProblemKind => ({
  status,
  title,
  fault: 'ours',
  retryable: true,
  next,
});
