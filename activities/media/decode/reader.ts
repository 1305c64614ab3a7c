/** Video in, frames out: the one interface behind which FFmpeg stands. Runs in the decoder's own process, and synchronously. */
import type { ModelRoom, VideoInfo } from '@darkroom/contract';
import type { SmallPicture } from '../scenes/picture.ts';
import { FrameReader } from './frame-reader.ts';

/** Where the bytes of a file come from. */
export interface ByteSource {
  readonly size: number;
  /** Bytes from `offset` on; fewer than `length` only at the end. */
  read(offset: number, length: number): Uint8Array;
}

export interface VideoLimits {
  /** Pixels of a frame at most. */
  readonly pixels: number;
  /** Length of a video at most, seconds. */
  readonly seconds: number;
  /** Memory of the process, bytes, and what of it is for frames that are kept: as many threads decode as fit. */
  readonly memoryBytes?: number;
  readonly keptBytes?: number;
}

/** A frame while it is passed by: valid until the next step of the iteration. */
export interface VideoFrame {
  /** Seconds from the start of the video. */
  readonly at: number;
  /** The same in time base units of the stream, its start not subtracted. */
  readonly pts: number;
  /** Seconds it is shown, as the file says; 0 where it does not. */
  readonly duration: number;
  readonly keyFrame: boolean;
  /** Pictures that are damaged: those lost between the frame before and this one, and this one if it is. */
  readonly damaged: number;
  /** Memory it holds. */
  readonly bytes: number;
  /** Made small for comparison; its arrays are written anew by the next call, of this frame or another. */
  small(): SmallPicture;
  /** A reference that outlives the iteration. */
  keep(): KeptFrame;
}

export interface KeptFrame {
  readonly at: number;
  readonly pts: number;
  readonly bytes: number;
  /** As shown: upright, pixels square. */
  readonly width: number;
  readonly height: number;
  /** Upright, square pixels, deinterlaced, SDR: JPEG at full size, the same bytes each time. */
  jpeg(): Buffer;
  /** That picture placed for the model: PNG of the size it has in the model's input, without padding. */
  input(room: ModelRoom): Buffer;
  release(): void;
}

export interface VideoReader {
  readonly info: VideoInfo;
  /** What is only nearly right in the pictures, in words. */
  readonly notes: readonly string[];
  /** Pictures lost since the last frame that came out. */
  readonly lost: number;
  /** Pictures that the decoder has given so far, in all iterations, those included that an iteration leaves out. */
  readonly decoded: number;
  /** Of a file that breaks off, once it was read to there: where, in words. */
  readonly cutOff: string | undefined;
  /**
   * Frames in order of presentation, beginning with one at or before `from` (seconds) where there is one. One iteration at a time.
   * Throws ProblemError `damaged_video` when nothing can be decoded, `video_too_long`, `too_many_pixels`.
   */
  frames(from: number): Generator<VideoFrame, void, undefined>;
  /** The same of key frames alone. */
  keyFrames(from: number): Generator<VideoFrame, void, undefined>;
  close(): void;
}

/** Throws ProblemError: empty_file, unsupported_video, damaged_video, no_video_stream, too_many_pixels, video_too_long. */
export function openVideo(source: ByteSource, limits: VideoLimits): VideoReader {
  return new FrameReader(source, limits);
}
