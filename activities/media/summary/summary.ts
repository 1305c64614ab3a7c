/** What a video is published with besides the results of its scenes: made from the scenes and their frames, wherever those lie. */
import { type LabelOverTime, type VideoFile, type VideoInfo, videoFiles } from '@darkroom/contract';
import { edl } from './edl.ts';
import type { FoundScene } from './found-scene.ts';
import type { Painter } from './painter.ts';
import { choosePoster } from './poster.ts';
import { sceneCsv, sceneJson } from './scene-list.ts';
import { layOut } from './sheet.ts';
import { type FrameOf, storyboard } from './storyboard.ts';
import { labelTimeline } from './timeline.ts';
import { thumbnailsVtt } from './webvtt.ts';
import { wholeScenes } from './whole-scenes.ts';

export interface Summary {
  /** By name; the poster is missing where there is no scene. */
  readonly files: ReadonlyMap<VideoFile, Buffer>;
  readonly labels: LabelOverTime[];
}

/** Makes all of it, a function of its arguments alone; `painter` draws the pictures. `filename` is the video's, as the user gave it. */
export async function summarise(
  scenes: readonly FoundScene[],
  video: { readonly filename: string; readonly info: VideoInfo },
  frameOf: FrameOf,
  painter: Painter,
): Promise<Summary> {
  const { filename, info } = video;
  const whole = wholeScenes(scenes);
  const sheet = layOut(scenes, info);
  const { jpeg, looks } = await storyboard(sheet, frameOf, painter);
  const chosen = choosePoster(scenes, looks);
  const files = new Map<VideoFile, Buffer>([
    ['storyboard', jpeg],
    ['thumbnails', Buffer.from(thumbnailsVtt(sheet.tiles, videoFiles.storyboard.path))],
    ['scenes', Buffer.from(sceneJson(whole, info))],
    ['scenesCsv', Buffer.from(sceneCsv(whole))],
    [
      'edl',
      Buffer.from(edl(whole, { filename, framesPerSecond: info.framesPerSecond, timecode: info.timecode })),
    ],
  ]);
  if (chosen !== undefined) files.set('poster', await painter.poster(chosen, await frameOf(chosen)));
  return { files, labels: labelTimeline(scenes) };
}
