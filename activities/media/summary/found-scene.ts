import type { Detection, Scene } from '@darkroom/contract';

/** A scene of a video with what was found in its frame. */
export interface FoundScene {
  /** Counted from 1; the segment's id. */
  readonly number: number;
  readonly scene: Scene;
  /** Null where the frame could not be analysed. */
  readonly detections: readonly Detection[] | null;
}
