/**
 * Videos: their scenes, of each the frame in the middle of its time, and what a task over them is published with. Nothing here loads
 * FFmpeg into the process that imports it; who wants frames in his own process takes `reader.ts` and `split.ts` themselves.
 */
export {
  ChildDied,
  type ChildOptions,
  ChildStalled,
  type DecoderLimits,
  decodePicture,
  probeVideo,
  type RangeSource,
  splitVideo,
} from './child.ts';
export { type Clip, edl } from './edl.ts';
export type { FoundScene } from './found-scene.ts';
export { type SmallPicture, smallSize } from './picture.ts';
export { choosePoster, poster } from './poster.ts';
export { sceneCsv, sceneJson } from './scene-list.ts';
export { type FoundBoundary, memorySeconds, SceneDetector, type SceneOptions } from './scenes.ts';
export { layOut, type Sheet, type Tile } from './sheet.ts';
export { rangeSource } from './source.ts';
export type { SplitCursor, SplitEvent, SplitRequest } from './split.ts';
export { type FrameOf, type Look, type Storyboard, storyboard } from './storyboard.ts';
export { type Summary, summarise } from './summary.ts';
export { frameAt, type TimecodeRate, timecode, timecodeRate } from './timecode.ts';
export { labelTimeline } from './timeline.ts';
export { type Cue, thumbnailsVtt } from './webvtt.ts';
