/** What may be wrong with a request, or keeps it from being taken. */
import { later, limit, type ProblemKind, yours } from './fault.ts';

export const ofRequests = {
  invalid_request: yours(400, 'The request could not be read', 'Compare the request with /openapi.json.'),
  validation_failed: yours(422, 'A field has an invalid value', 'Correct the fields listed under `errors`.'),
  invalid_page_token: yours(400, 'The page token is not valid here', 'Start again without pageToken.'),
  unauthorized: yours(
    401,
    'A valid API key is needed',
    'Send `Authorization: Bearer KEY`; an operator makes keys with `npm run key -- create`.',
  ),
  forbidden: yours(403, 'This key may not do that', 'Use a key with the role named in `detail`.'),
  origin_not_allowed: yours(
    403,
    'Pages of this origin may not use the API',
    'Ask the operator to add the origin to CORS_ORIGINS.',
  ),
  not_found: yours(404, 'There is nothing here', 'Check the id, and that it belongs to this key.'),
  method_not_allowed: yours(405, 'The method is not allowed here', 'Compare the request with /openapi.json.'),
  conflict: yours(409, 'The job is not in a state for that', 'Read the job first; `detail` names its state.'),
  idempotency_key_reused: yours(
    422,
    'This Idempotency-Key was used for another request',
    'Send a new key for a new request.',
  ),
  idempotency_key_deleted: yours(
    409,
    'The job of this Idempotency-Key was deleted',
    'Send a new key to have it done again.',
  ),
  payload_too_large: limit(
    413,
    'The request is larger than the limit',
    'Send less, or ask the operator to raise the limit named in `detail`.',
  ),
  request_timeout: {
    ...limit(408, 'The request did not come in time', 'Send it again, without pauses.'),
    retryable: true,
  },
  headers_too_large: limit(
    431,
    'The headers are larger than the limit',
    'Send a shorter address and fewer or shorter headers; cookies count too.',
  ),
  unsupported_content_type: yours(
    415,
    'The request has a Content-Type that is not taken here',
    'Send it as one of the types named in `detail`.',
  ),
  too_many_items: limit(
    422,
    'The job is larger than the limit',
    'Split it, or ask the operator to raise the limit named in `detail`.',
  ),
  rate_limited: later(
    'More requests than the limit',
    'Send the request again after the seconds in Retry-After, and fewer of them a second.',
  ),
  too_many_open: later(
    'More open at once than the limit',
    'Close, finish or remove one of those named in `detail`, or try again after the seconds in Retry-After.',
  ),
  results_not_ready: yours(
    409,
    'There are no results yet',
    'Wait until the job has finished; follow /v1/jobs/{id}/events.',
  ),
  range_not_satisfiable: yours(
    416,
    'The range lies behind the end',
    'Ask for bytes within the size that Content-Range names.',
  ),
  results_removed: yours(410, 'The results were removed', 'Submit the job again with /v1/jobs/{id}/rerun.'),
} as const satisfies Record<string, ProblemKind>;
