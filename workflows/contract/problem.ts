/**
 * The closed list of what can go wrong, the same in API, record, log, trace and console.
 *
 * `fault` says whose it is, `retryable` whether the same request or job can succeed later unchanged,
 * `next` what the reader should do now.
 */
import { z } from 'zod';

export type Fault = 'yours' | 'ours' | 'limit';

export interface ProblemKind {
  /** HTTP status when the API answers with it; for a job's or item's problem, what it would be. */
  readonly status: number;
  readonly title: string;
  readonly fault: Fault;
  readonly retryable: boolean;
  readonly next: string;
}

const yours = (status: number, title: string, next: string): ProblemKind => ({
  status,
  title,
  fault: 'yours',
  retryable: false,
  next,
});
const limit = (status: number, title: string, next: string): ProblemKind => ({
  status,
  title,
  fault: 'limit',
  retryable: false,
  next,
});
/** 429: the same request is taken later. */
const later = (title: string, next: string): ProblemKind => ({
  ...limit(429, title, next),
  retryable: true,
});
const ours = (status: number, title: string, next: string): ProblemKind => ({
  status,
  title,
  fault: 'ours',
  retryable: true,
  next,
});

export const problemKinds = {
  // Requests
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

  // Sources
  source_not_granted: yours(
    403,
    'This key was not granted that source',
    'Upload the file, or ask the operator for a grant on its prefix.',
  ),
  source_not_found: yours(
    422,
    'The source does not exist',
    'Check bucket and key; the URI has the form s3://bucket/key.',
  ),
  source_changed: yours(
    409,
    'The source changed after the job was submitted',
    'Submit a new job for the new version.',
  ),
  invalid_row: yours(
    422,
    'A row of the list cannot be used',
    'Correct the row named in `detail`, then submit the list again.',
  ),
  damaged_archive: yours(
    422,
    'The archive cannot be read',
    'Pack it anew as ZIP, tar or tar.gz, and send the whole file.',
  ),
  refused_entry: yours(
    422,
    'An entry of the archive is not taken',
    'Pack the picture as a plain file with a path of its own within the archive; `detail` says what is wrong.',
  ),
  upload_incomplete: yours(
    409,
    'The upload is not complete',
    'Send all parts, complete it, then submit again.',
  ),
  upload_used: yours(
    409,
    'The upload has become a task already',
    'Follow that task; open another upload for another one.',
  ),

  // Media
  empty_file: yours(422, 'The file is empty', 'Send a file with content.'),
  unsupported_media: yours(
    415,
    'The content is neither a supported picture nor a video',
    'Send JPEG, PNG, WebP, TIFF, GIF, AVIF or HEIC; or MP4, MOV, MKV, WebM, AVI or TS.',
  ),
  video_among_photos: yours(
    422,
    'A video cannot be one of several photos',
    'Send the video alone, in the field `file` or as a source of its own.',
  ),
  heic_unsupported: yours(
    415,
    'HEIC pictures cannot be read here',
    'Export the picture as JPEG and send that.',
  ),
  truncated_image: yours(422, 'The picture is damaged or incomplete', 'Send the whole file again.'),
  too_large: limit(
    413,
    'The file is larger than the limit',
    'Send a smaller file, or ask the operator to raise LIMIT_UPLOAD_BYTES for photos, LIMIT_VIDEO_BYTES for videos, LIMIT_PLAN_BYTES for lists, LIMIT_ARCHIVE_BYTES for archives.',
  ),
  too_many_pixels: limit(
    422,
    'The picture has more pixels than the limit',
    'Send it smaller, or ask the operator to raise LIMIT_PHOTO_PIXELS or LIMIT_VIDEO_PIXELS.',
  ),
  too_many_frames: limit(
    422,
    'The file has more pages than the limit',
    'Send the page that is meant, or ask the operator to raise LIMIT_PHOTO_FRAMES.',
  ),

  // Videos
  unsupported_video: yours(
    415,
    'The video cannot be read here',
    'Send MP4, MOV, MKV, WebM, AVI or TS with one of the codecs named in `detail`.',
  ),
  no_video_stream: yours(
    422,
    'The file holds no video',
    'Send a file with moving pictures, not sound alone.',
  ),
  empty_range: yours(
    422,
    'Nothing of the video lies in that range',
    'Give `from` and `to` within the length of the video, then rerun.',
  ),
  damaged_video: yours(422, 'The video is damaged', 'Send the whole file again, or export it anew.'),
  video_too_long: limit(
    422,
    'The video is longer than the limit',
    'Send it in parts, or ask the operator to raise LIMIT_VIDEO_SECONDS.',
  ),
  memory_limit: limit(
    422,
    'It needs more memory than the limit',
    'Send something smaller, or ask the operator to raise the limit named in `detail`.',
  ),

  // Models
  unknown_model: yours(422, 'There is no such model here', 'Use a model listed in `detail`.'),
  unknown_label: yours(
    422,
    'The model has no such label',
    'Use labels of the model as GET /v1/models lists them.',
  ),
  unsupported_model: ours(
    503,
    'The configured model cannot be used',
    'Set MODEL_PATH to an ONNX file; `detail` says how to convert this one.',
  ),

  invalid_model: yours(
    422,
    'The file is no model that can be registered',
    'Send an ONNX file with its card; `detail` says what is wrong, and how a file of another framework is converted.',
  ),
  model_version_exists: yours(
    409,
    'This version of the model is registered already',
    'Register the file under another version.',
  ),
  model_not_ready: yours(
    409,
    'This version of the model is not open',
    'Load it, and read its state: `detail` names what lacks.',
  ),
  model_in_use: yours(
    409,
    'This version of the model is in use',
    'Have the name in `detail` stand for another version first.',
  ),

  // Predictions
  overloaded: ours(
    503,
    'More predictions are asked for than can be made in time',
    'Try again after the seconds in Retry-After, or ask the operator for more workers.',
  ),
  deadline_exceeded: {
    ...limit(
      504,
      'The prediction was not made in time',
      'Send the picture again, or give it a longer `deadline`.',
    ),
    retryable: true,
  },
  no_prediction_model: ours(
    503,
    'No worker has a model to predict with',
    'Ask the operator to do what `detail` says; then try again.',
  ),

  // Jobs and items
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

export type ProblemCode = keyof typeof problemKinds;

const codes = Object.keys(problemKinds) as [ProblemCode, ...ProblemCode[]];

export const problemCode = z
  .enum(codes)
  .meta({ id: 'ProblemCode', description: 'Stable code of a problem.' });

/** What a job or an item keeps of its failure. */
export const problemRecord = z
  .object({
    code: problemCode,
    title: z.string(),
    detail: z.string().meta({ description: 'What happened this time, in words.' }),
    fault: z.enum(['yours', 'ours', 'limit']),
    retryable: z.boolean(),
    next: z.string().meta({ description: 'What to do now.' }),
  })
  .meta({ id: 'JobProblem' });
export type ProblemRecord = z.infer<typeof problemRecord>;

/** RFC 9457 problem details, with the extension members Darkroom always sends. */
export const problemDocument = problemRecord
  .extend({
    type: z
      .string()
      .meta({ description: 'URI that identifies the code.', example: '/docs/problems#not_found' }),
    status: z.int(),
    instance: z.string().optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
    traceId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });
export type ProblemDocument = z.infer<typeof problemDocument>;

/** The record of a problem: its kind's constant parts with this time's detail. */
export function problemOf(code: ProblemCode, detail: string): ProblemRecord {
  const { title, fault, retryable, next } = problemKinds[code];
  return { code, title, detail: storable(detail), fault, retryable, next };
}

/**
 * A text as Postgres takes it, also within JSON: without NUL and without half a surrogate pair, which a program's output may contain
 * where it was cut. A job could not be ended with a problem that cannot be written.
 */
export const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '');

/** An error that carries a problem; what any layer throws when it knows what is wrong. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ProblemCode;
  readonly errors: { pointer: string; detail: string }[] | undefined;
  /** After how many seconds the same may be tried again, where that is known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    detail: string,
    options?: {
      cause?: unknown;
      errors?: { pointer: string; detail: string }[];
      retryAfterSeconds?: number;
    },
  ) {
    const { stackTraceLimit } = Error;
    // What load refuses comes by the hundred a second, and nobody looks where: its stack would be a good part of what it costs.
    if (code === 'overloaded') Error.stackTraceLimit = 0;
    super(detail, options?.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.errors = options?.errors;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }

  get problem(): ProblemRecord {
    return problemOf(this.code, this.message);
  }
}
