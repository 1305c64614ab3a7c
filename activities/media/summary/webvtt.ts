/** The pictures of a storyboard as a track that players show over their time line. */

export interface Cue {
  /** Seconds. */
  readonly start: number;
  readonly end: number;
  /** Pixels of the sheet. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * WebVTT (https://www.w3.org/TR/webvtt1/) whose cues name a piece of a picture each, as a media fragment (`#xywh=`,
 * https://www.w3.org/TR/media-frags/). `sheet` is the picture's address, relative to the track's. Cues of no millisecond are left out.
 */
export function thumbnailsVtt(cues: readonly Cue[], sheet: string): string {
  const blocks = cues.flatMap(({ start, end, x, y, width, height }) => {
    const [from, to] = [milliseconds(start), milliseconds(end)];
    if (from >= to) return [];
    return [`${timestamp(from)} --> ${timestamp(to)}\n${sheet}#xywh=${x},${y},${width},${height}\n`];
  });
  return `WEBVTT\n\n${blocks.join('\n')}`;
}

const milliseconds = (seconds: number): number => Math.max(0, Math.round(seconds * 1000));

function timestamp(ms: number): string {
  const part = (value: number, digits: number) => String(value).padStart(digits, '0');
  const seconds = Math.floor(ms / 1000);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${clock.map((value) => part(value, 2)).join(':')}.${part(ms % 1000, 3)}`;
}
