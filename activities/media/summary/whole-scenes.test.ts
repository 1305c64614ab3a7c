import { describe, expect, it } from 'vitest';
import { found, sceneOf } from '../testing/scenes.ts';
import { edl } from './edl.ts';
import { layOut } from './sheet.ts';
import { labelTimeline } from './timeline.ts';
import { wholeScenes } from './whole-scenes.ts';

const parts = [
  sceneOf(1, 0, 2, { number: 1, detections: [found('cat', 0.5)] }),
  sceneOf(2, 2, 4, { number: 1, begins: 'sample', detections: [found('cat', 0.9), found('dog', 0.6)] }),
  sceneOf(3, 4, 5, { number: 1, begins: 'sample', detections: null }),
  sceneOf(4, 5, 6, { number: 2, detections: [found('dog', 0.4), found('dog', 0.3)] }),
  sceneOf(5, 6, 8, { number: 2, begins: 'sample', detections: [found('dog', 0.8)] }),
  sceneOf(6, 8, 9, { number: 3, detections: null }),
];

describe('whole scenes', () => {
  it('are put together of their parts', () => {
    const scenes = wholeScenes(parts);
    expect(scenes.map(({ number, scene }) => [number, scene.start, scene.end, scene.begins])).toEqual([
      [1, 0, 5, 'start'],
      [2, 5, 8, 'cut'],
      [3, 8, 9, 'cut'],
    ]);
    expect(scenes.map(({ scene }) => scene.frame)).toMatchObject([
      { at: 3, offset: 0.5 },
      { at: 7, offset: 0.5 },
      { at: 8.5, offset: 0 },
    ]);
    expect(scenes.map(({ detections }) => detections?.map(({ label, score }) => [label, score]))).toEqual([
      [
        ['cat', 0.9],
        ['dog', 0.6],
      ],
      [
        ['dog', 0.4],
        ['dog', 0.3],
      ],
      undefined,
    ]);
    for (const { scene } of scenes) expect(scene).not.toHaveProperty('number');
  });

  it('that were not divided stay as they are', () => {
    const scenes = [sceneOf(1, 0, 2), sceneOf(2, 2, 3)];
    expect(wholeScenes(scenes)).toEqual(scenes);
    expect(wholeScenes([])).toEqual([]);
  });

  it('are one event each, while each frame is on the sheet and in the time of its label', () => {
    const list = edl(wholeScenes(parts), { filename: 'a.mp4', framesPerSecond: 25 });
    expect(list.match(/^\d{3} /gm)).toHaveLength(3);
    expect(layOut(parts, { width: 160, height: 90 }).tiles).toHaveLength(6);
    expect(labelTimeline(parts)).toMatchObject([
      { label: 'dog', firstSeen: 3, lastSeen: 7 },
      { label: 'cat', firstSeen: 1, lastSeen: 3, share: 0.5714 },
    ]);
  });
});
