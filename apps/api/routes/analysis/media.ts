/** What may come in, told by its first bytes: a photo or a video. */
import { type KindDefinition, ProblemError, photoKind, videoKind } from '@darkroom/contract';
import { SNIFF_BYTES, sniff } from '@darkroom/recognition/picture/sniff.ts';

export type Media = 'photo' | 'video';

/** The kind of job that analyses it. */
export const kindOf: Readonly<Record<Media, KindDefinition>> = { photo: photoKind, video: videoKind };

/** The media of a job; undefined if it is none that analyses. */
export const mediaOf = (kind: string): Media | undefined =>
  kind === photoKind.kind ? 'photo' : kind === videoKind.kind ? 'video' : undefined;

export interface Medium {
  readonly media: Media;
  readonly contentType: string;
}

export interface MediaLimits {
  readonly uploadBytes: number;
  readonly videoBytes: number;
}

/** How much of the start of a file {@link mediumOf} wants to see. */
export const HEAD_BYTES = SNIFF_BYTES;

/** Containers that are read, by the name that `sniff` gives them. */
const containers: Readonly<Record<string, string>> = {
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  '3gp': 'video/3gpp',
  mkv: 'video/x-matroska',
  webm: 'video/webm',
  avi: 'video/x-msvideo',
  ts: 'video/mp2t',
  mpeg: 'video/mpeg',
  flv: 'video/x-flv',
};

/** What a file is that starts with `head`. Throws ProblemError: empty, a container that is not read, or neither photo nor video. */
export function mediumOf(head: Uint8Array, filename: string): Medium {
  const found = sniff(head);
  switch (found.kind) {
    case 'photo':
      return { media: 'photo', contentType: `image/${found.format}` };
    case 'heic':
      return { media: 'photo', contentType: 'image/heic' };
    case 'video': {
      const contentType = containers[found.format];
      if (contentType !== undefined) return { media: 'video', contentType };
      const known = 'MP4, MOV, MKV, WebM, AVI, TS';
      throw new ProblemError('unsupported_video', `${filename} is ${found.format}; known are ${known}.`);
    }
    case 'empty':
      throw new ProblemError('empty_file', `${filename} has 0 bytes.`);
    case 'other':
      throw new ProblemError('unsupported_media', `${filename} is ${found.format}.`);
    case 'text':
      throw new ProblemError('unsupported_media', `${filename} is text.`);
    case 'unknown':
      throw new ProblemError('unsupported_media', `${filename} starts like no picture or video known here.`);
  }
}

/** Bytes that a file may have. */
export const mostBytes = (media: Media, limits: MediaLimits): number =>
  media === 'video' ? limits.videoBytes : limits.uploadBytes;

/** The problem of a file with more. */
export function tooLarge(filename: string, media: Media, limits: MediaLimits): ProblemError {
  const limit = media === 'video' ? 'LIMIT_VIDEO_BYTES' : 'LIMIT_UPLOAD_BYTES';
  return new ProblemError(
    'too_large',
    `${filename} has more than ${mostBytes(media, limits)} bytes (${limit}).`,
  );
}
