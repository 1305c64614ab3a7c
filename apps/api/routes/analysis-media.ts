/** What may come in as a photo, told by its first bytes. */
import { ProblemError } from '@darkroom/contract';
import { type PhotoFormat, SNIFF_BYTES, sniff } from '@darkroom/recognition/sniff.ts';

/** How much of the start of a file {@link requirePhoto} wants to see. */
export const HEAD_BYTES = SNIFF_BYTES;

/** The media type of a photo that starts with `head`. Throws ProblemError: empty, a video, HEIC, or no supported picture. */
export function requirePhoto(head: Uint8Array, filename: string): `image/${PhotoFormat}` {
  const found = sniff(head);
  switch (found.kind) {
    case 'photo':
      return `image/${found.format}`;
    case 'empty':
      throw new ProblemError('empty_file', `${filename} has 0 bytes.`);
    case 'video':
      throw new ProblemError('video_unsupported', `${filename} is a video (${found.format}).`);
    case 'heic':
      throw new ProblemError('heic_unsupported', `${filename} is HEIC: HEIF with HEVC inside.`);
    case 'other':
      throw new ProblemError('unsupported_media', `${filename} is ${found.format}.`);
    case 'text':
      throw new ProblemError('unsupported_media', `${filename} is text.`);
    case 'unknown':
      throw new ProblemError('unsupported_media', `${filename} starts like no picture known here.`);
  }
}
