import type { VideoInfo } from '@darkroom/contract';
import { describe, expect, it } from 'vitest';
import { found, sceneOf } from '../testing/scenes.ts';
import { sceneCsv, sceneJson } from './scene-list.ts';

const video: VideoInfo = {
  container: 'mov',
  codec: 'h264',
  pixelFormat: 'yuv420p',
  width: 1920,
  height: 1080,
  rotation: 0,
  seconds: 10,
  framesPerSecond: 25,
  interlaced: false,
  hdr: false,
  videoStreams: 1,
};
const scenes = [
  sceneOf(1, 0, 4, { detections: [found('dog', 0.5), found('cat', 0.75), found('cat', 0.97)] }),
  sceneOf(2, 4, 10, { begins: 'fade', score: 1.5, transition: { from: 3.5, to: 4.5 }, detections: null }),
];

describe('sceneJson', () => {
  it('holds the video and all scenes with their labels', () => {
    const list = JSON.parse(sceneJson(scenes, video));
    expect(list.video).toEqual(video);
    expect(list.scenes).toEqual([
      {
        number: 1,
        ...scenes[0]?.scene,
        labels: [
          { label: 'cat', count: 2, bestScore: 0.97 },
          { label: 'dog', count: 1, bestScore: 0.5 },
        ],
      },
      { number: 2, ...scenes[1]?.scene, labels: null },
    ]);
  });
});

describe('sceneCsv', () => {
  it('has a line per scene', () => {
    expect(sceneCsv(scenes)).toBe(
      [
        'scene,start,end,begins,score,transition_from,transition_to,frame_at,frame_pts,frame_offset,labels',
        '1,0,4,start,,,,2,2000,0,cat 0.97; dog 0.5',
        '2,4,10,fade,1.5,3.5,4.5,7,7000,0,',
        '',
      ].join('\r\n'),
    );
  });

  it('lets a label start no formula', () => {
    expect(sceneCsv([sceneOf(1, 0, 1, { detections: [found('=cmd(),', 0.5)] })])).toContain(
      `,"'=cmd(), 0.5"\r\n`,
    );
  });
});
