/**
 * Videos: their scenes, of each the frame in the middle of its time, and what a task over them is published with. Nothing here loads
 * FFmpeg or libvips into the process that imports it; who wants frames in his own process takes `reader.ts` and `split.ts` themselves.
 */
export {
  openPreviews,
  type PaintOptions,
  type Previews,
  type PreviewsConfig,
} from './previews/previews.ts';
export {
  type ChildOptions,
  type DecoderLimits,
  probeVideo,
  splitVideo,
} from './process/child.ts';
export { type SmallPicture, smallSize } from './scenes/picture.ts';
export { type FoundBoundary, memorySeconds, SceneDetector, type SceneOptions } from './scenes/scenes.ts';
export type { SplitCursor, SplitEvent, SplitRequest } from './split/split.ts';
export { type Clip, edl } from './summary/edl.ts';
export type { FoundScene } from './summary/found-scene.ts';
export type { DrawnTile, Look, Painter } from './summary/painter.ts';
export { choosePoster } from './summary/poster.ts';
export { sceneCsv, sceneJson } from './summary/scene-list.ts';
export { layOut, type Sheet, type Tile } from './summary/sheet.ts';
export { type FrameOf, type Storyboard, storyboard } from './summary/storyboard.ts';
export { type Summary, summarise } from './summary/summary.ts';
export { frameAt, type TimecodeRate, timecode, timecodeRate } from './summary/timecode.ts';
export { labelTimeline } from './summary/timeline.ts';
export { type Cue, thumbnailsVtt } from './summary/webvtt.ts';
