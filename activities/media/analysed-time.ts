/** How much of a video is analysed. */
import type { VideoInfo, VideoOptions } from '@darkroom/contract';

/** Seconds that are to be analysed, where the length is known. */
export function secondsOf(info: VideoInfo, { from, to }: VideoOptions): number | undefined {
  const end = to === null ? info.seconds : Math.min(to, info.seconds ?? to);
  return end === null ? undefined : Math.max(0, end - from);
}
