import { describe, expect, it } from 'vitest';
import { found, sceneOf } from '../testing/scenes.ts';
import { choosePoster } from './poster.ts';

const clear = { brightness: 0.5, contrast: 0.2 };
const black = { brightness: 0.02, contrast: 0.01 };

describe('choosePoster', () => {
  const scenes = [
    sceneOf(1, 0, 2, { detections: [] }),
    sceneOf(2, 2, 12, { detections: [] }),
    sceneOf(3, 12, 14, { detections: [found('cat', 0.9), found('dog', 0.8)] }),
    sceneOf(4, 14, 15, { detections: null }),
  ];
  const looks = (...of: [number, typeof clear][]) => new Map(of);

  it('takes the frame on which most was found', () => {
    expect(choosePoster(scenes, looks([1, clear], [2, clear], [3, clear], [4, clear]))).toBe(3);
  });

  it('takes the longest scene where nothing was found', () => {
    expect(choosePoster(scenes, looks([1, clear], [2, clear], [4, clear]))).toBe(2);
  });

  it('passes dark, glaring and blank frames over, unless there are no others', () => {
    const glaring = { brightness: 0.97, contrast: 0.1 };
    const blank = { brightness: 0.5, contrast: 0.01 };
    expect(choosePoster(scenes, looks([1, clear], [2, glaring], [3, black], [4, blank]))).toBe(1);
    expect(choosePoster(scenes, looks([1, black], [3, black]))).toBe(3);
  });

  it('counts a crowd as five, and takes the first of equals', () => {
    const crowd = Array.from({ length: 20 }, () => found('person', 0.5));
    const [one, two] = [
      sceneOf(1, 0, 1, { detections: crowd }),
      sceneOf(2, 1, 2, { detections: crowd.slice(0, 5) }),
    ];
    expect(choosePoster([one, two], looks([1, clear], [2, clear]))).toBe(1);
    expect(choosePoster([sceneOf(1, 0, 0)], looks([1, clear]))).toBe(1);
    expect(choosePoster([], looks())).toBeUndefined();
  });
});
