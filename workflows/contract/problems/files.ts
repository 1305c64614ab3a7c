/** What may be wrong with what is to be worked on: where it lies, and what is in it. */
import { limit, type ProblemKind, yours } from './fault.ts';

export const ofFiles = {
  source_not_granted: yours(
    403,
    'This key was not granted that source',
    'Upload the file, or ask the operator for a grant on its prefix.',
  ),
  target_not_granted: yours(
    403,
    'This key was not granted that target',
    'Name a prefix or a directory that it may write to, or ask the operator for one.',
  ),
  target_unusable: yours(
    422,
    'The results cannot be written to the target',
    'Put right what `detail` names; then send the request again, or resume the job.',
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
  swapped_columns: yours(
    422,
    'The columns of right ascension and declination seem to be swapped',
    'Name the columns the other way round, then submit the list again.',
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
} as const satisfies Record<string, ProblemKind>;
