import type { VideoInfo } from '@darkroom/contract';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { painterHere } from '../testing/painter.ts';
import { found, sceneOf } from '../testing/scenes.ts';
import { summarise } from './summary.ts';

const info: VideoInfo = {
  container: 'mp4',
  codec: 'h264',
  pixelFormat: 'yuv420p',
  width: 320,
  height: 180,
  rotation: 0,
  seconds: 6,
  framesPerSecond: 24_000 / 1001,
  interlaced: false,
  hdr: false,
  videoStreams: 1,
};
const scenes = [
  sceneOf(1, 0, 2, { detections: [found('cat', 0.9)] }),
  sceneOf(2, 2, 4, { detections: [found('cat', 0.9), found('dog', 0.8)] }),
  sceneOf(3, 4, 6, { detections: null }),
];

/** Frames that can be told apart: the upper half of each has a colour of its own. */
const frameOf = (number: number) =>
  sharp({ create: { width: 320, height: 180, channels: 3, background: '#fff' } })
    .composite([
      {
        input: {
          create: {
            width: 320,
            height: 90,
            channels: 3,
            background: ['#f00', '#080', '#00f'][number - 1] ?? '',
          },
        },
        top: 0,
        left: 0,
      },
    ])
    .jpeg({ quality: 95 })
    .toBuffer();

const video = { filename: 'film.mp4', info };
const centre = async (jpeg: Buffer | undefined, x: number, y: number): Promise<number> => {
  const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  const [red = 0, green = 0, blue = 0] = data.subarray((y * info.width + x) * 3);
  return [red, green, blue].indexOf(Math.max(red, green, blue));
};

it('makes everything a video is published with, the same each time', async () => {
  const { files, labels } = await summarise(scenes, video, frameOf, painterHere);
  expect([...files.keys()].sort()).toEqual([
    'edl',
    'poster',
    'scenes',
    'scenesCsv',
    'storyboard',
    'thumbnails',
  ]);
  expect(labels.map(({ label, share }) => [label, share])).toEqual([
    ['cat', 1],
    ['dog', 0.5],
  ]);
  // The poster is the frame of scene 2; the pieces that the thumbnails name are the frames of their times.
  expect(await centre(files.get('poster'), 160, 45)).toBe(1);
  const cues = String(files.get('thumbnails')).matchAll(/storyboard\.jpg#xywh=(\d+),(\d+),(\d+),(\d+)/g);
  const pieces = [...cues].map((cue) => cue.slice(1).map(Number));
  expect(pieces).toHaveLength(3);
  for (const [index, [x = 0, y = 0, width = 0, height = 0]] of pieces.entries()) {
    expect(await centre(files.get('storyboard'), x + width / 2, y + Math.round(height / 4))).toBe(index);
  }
  expect(String(files.get('edl'))).toContain('003  AX');
  const again = await summarise(scenes, video, frameOf, painterHere);
  for (const [name, bytes] of files)
    expect([name, again.files.get(name)?.equals(bytes)]).toEqual([name, true]);
});
