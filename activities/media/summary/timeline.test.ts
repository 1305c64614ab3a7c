import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { found, sceneOf } from '../testing/scenes.ts';
import { labelTimeline } from './timeline.ts';

describe('labelTimeline', () => {
  it('tells first and last sight, share, count and best score', () => {
    const scenes = [
      sceneOf(1, 0, 4, { detections: [found('cat', 0.9), found('dog', 0.5)] }),
      sceneOf(2, 4, 6, { detections: [] }),
      sceneOf(3, 6, 10, { detections: [found('cat', 0.6), found('cat', 0.95)] }),
    ];
    expect(labelTimeline(scenes)).toEqual([
      { label: 'cat', count: 3, bestScore: 0.95, firstSeen: 2, lastSeen: 8, share: 0.8 },
      { label: 'dog', count: 1, bestScore: 0.5, firstSeen: 2, lastSeen: 2, share: 0.4 },
    ]);
  });

  it('measures against the time that was analysed', () => {
    const scenes = [
      sceneOf(1, 0, 5, { detections: [found('cat', 0.9)] }),
      sceneOf(2, 5, 10, { detections: null }),
      sceneOf(3, 10, 15),
    ];
    expect(labelTimeline(scenes)).toMatchObject([{ label: 'cat', share: 0.5 }]);
  });

  it('counts time that two scenes share once', () => {
    const detections = [found('cat', 0.9)];
    const scenes = [sceneOf(1, 0, 6, { detections }), sceneOf(2, 5, 8, { detections }), sceneOf(3, 8, 16)];
    expect(labelTimeline(scenes)).toMatchObject([{ share: 0.5 }]);
  });

  it('knows a video of a single frame, and one of nothing', () => {
    expect(labelTimeline([sceneOf(1, 0, 0, { detections: [found('cat', 0.9)] })])).toMatchObject([
      { share: 1 },
    ]);
    expect(labelTimeline([])).toEqual([]);
    expect(labelTimeline([sceneOf(1, 0, 1, { detections: null })])).toEqual([]);
  });

  it('leaves no detection out, and no share outside 0 to 1', () => {
    const lengths = fc.array(
      fc.record({
        seconds: fc.integer({ min: 0, max: 50 }),
        labels: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(lengths, (list) => {
        let at = 0;
        const scenes = list.map(({ seconds, labels }, index) => {
          const start = at;
          at += seconds;
          return sceneOf(index + 1, start, at, { detections: labels.map((label) => found(label, 0.5)) });
        });
        const timeline = labelTimeline(scenes);
        const total = timeline.reduce((sum, { count }) => sum + count, 0);
        expect(total).toBe(list.reduce((sum, { labels }) => sum + labels.length, 0));
        for (const { label, share, firstSeen, lastSeen } of timeline) {
          const seconds = list.reduce((sum, s) => sum + (s.labels.includes(label as 'a') ? s.seconds : 0), 0);
          expect(share).toBeCloseTo(at === 0 ? 1 : seconds / at, 3);
          expect(firstSeen).toBeLessThanOrEqual(lastSeen);
        }
      }),
    );
  });
});
