/** What a job or an item may end by, and what the platform itself may lack. */
import { limit, ours, type ProblemKind, yours } from './fault.ts';

export const ofJobs = {
  poisonous_item: yours(
    422,
    'This item ends the process that works on it',
    'Leave the item out; report it with the job id.',
  ),
  program_failed: yours(
    422,
    'The program could not do its work with this',
    'Read in `detail` and at the end of the job’s log what it said, and correct the input or the options.',
  ),
  program_stalled: limit(
    422,
    'The program stood still for too long',
    'Read at the end of the job’s log where it stopped; then resume the job, or report it.',
  ),
  item_timeout: limit(422, 'This item took longer than an item may', 'Send a smaller item.'),
  no_item_succeeded: yours(
    422,
    'None of the items could be processed',
    'Read the reason of each item under /v1/jobs/{id}/items.',
  ),
  outage: ours(
    503,
    'Something the job needs was away for too long',
    'Resume the job; what was finished is kept.',
  ),
  engine_unavailable: ours(
    503,
    'The workflow engine does not answer',
    'Try again after the seconds in Retry-After.',
  ),
  records_unavailable: ours(
    503,
    'The database does not answer',
    'Try again after the seconds in Retry-After.',
  ),
  outcome_unknown: ours(
    503,
    'Whether the request was carried out is not known yet',
    'Ask for the job named in `detail`, or send the request again with the same Idempotency-Key.',
  ),
  storage_unavailable: ours(
    503,
    'The object store does not answer',
    'Try again after the seconds in Retry-After.',
  ),
  storage_access_failed: ours(
    503,
    'The object store does not accept the platform',
    'Nothing is wrong with the request: an operator must mend what `detail` names; then try again.',
  ),
  out_of_space: ours(507, 'There is no space left', 'Ask the operator to free space, then resume the job.'),
  internal: ours(500, 'Something went wrong here', 'Try again; if it stays, report it with the trace id.'),
} as const satisfies Record<string, ProblemKind>;
